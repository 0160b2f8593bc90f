import { createInterface, type Interface } from 'node:readline';
import type { TellLogin } from './logins.js';

export interface Terminal {
  readonly stdin?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stderr: { write(text: string): unknown };
}

/** Whoever looks at the terminal may paste what a browser that is elsewhere brought. */
export class PastedAddresses {
  readonly #deps: Terminal;
  #lines: Interface | undefined;

  constructor(deps: Terminal) {
    this.#deps = deps;
  }

  ask(arrive: Parameters<TellLogin>[1]): void {
    const { stdin, stderr } = this.#deps;
    if (!stdin?.isTTY) return;
    stderr.write('If the browser ends at an error, paste the address that it shows, and press Enter.\n');
    this.close();
    this.#lines = createInterface({ input: stdin, terminal: false });
    this.#lines.on('line', async (line) => {
      const address = line.trim();
      const arrival = URL.canParse(address) ? await arrive(new URL(address)).catch(() => 'not-yours') : 'not-yours';
      if (address !== '' && arrival === 'not-yours') stderr.write('That is not the address of this login.\n');
    });
  }

  close(): void {
    this.#lines?.close();
  }
}
