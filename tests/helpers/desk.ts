import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Browser } from './oauthLogin.js';
import { programNode } from './programNode.js';

/** A person at a machine: programs that open an address have it opened by a browser without a screen, which logs in. */
export interface Desk {
  /** Stands first in `PATH`: its `xdg-open` is this one. */
  readonly path: string;
  /** Every address that was opened. */
  readonly opened: readonly URL[];
  /** The environments that the opener was started with, as text. */
  readonly environments: readonly string[];
  /** False: the person isn't there, and windows only pile up. */
  present: boolean;
  /** The person logs in there, and comes back. */
  logIn(address: URL): Promise<number>;
  close(): Promise<void>;
}

export async function startDesk(): Promise<Desk> {
  const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-desk-'));
  const opened: URL[] = [];
  const environments: string[] = [];
  const server = http.createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request as AsyncIterable<Buffer>) text += chunk;
    const { url, env } = JSON.parse(text) as { url: string; env: object };
    opened.push(new URL(url));
    environments.push(JSON.stringify(env));
    response.end();
    if (desk.present) await logIn(new URL(url)).catch((error) => console.error(error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const script = `#!${programNode()}
const body = JSON.stringify({ url: process.argv[2], env: process.env });
require('node:http').request(${JSON.stringify(at)}, { method: 'POST' }, (answer) => answer.resume()).end(body);
`;
  await writeFile(path.join(folder, 'xdg-open'), script);
  await chmod(path.join(folder, 'xdg-open'), 0o755);
  const desk: Desk = {
    path: `${folder}:${process.env.PATH ?? ''}`,
    opened,
    environments,
    present: true,
    logIn,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return desk;
}

async function logIn(address: URL): Promise<number> {
  const redirect = address.searchParams.get('redirect_uri') ?? '';
  const said = await new Browser('ada').visit(address, redirect);
  const page = await fetch(`${redirect}?${said}`);
  await page.text();
  return page.status;
}
