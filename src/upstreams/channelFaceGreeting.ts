import { spliced } from '../wire/jsonText.js';
import { PLACES } from './channelFaceMessage.js';

/** Who waits for the answer to its `initialize`. */
interface Waiting {
  /** As JSON. */
  readonly id: string;
  readonly member: { hearText(text: string): void };
}

/** `initialize` with a server that several share: it is sent once, and its result is everybody's. */
export class Greeting {
  #number: number | undefined;
  #result: string | undefined;
  #waiting: Waiting[] = [];
  #isConfirmed = false;

  /** True where the server is to be asked, under that number; the others get its answer when it is there. */
  begins(number: number, id: string, member: Waiting['member']): boolean {
    this.#waiting.push({ id, member });
    if (this.#result !== undefined) queueMicrotask(() => this.#tell(this.#result as string));
    if (this.#result !== undefined || this.#number !== undefined) return false;
    this.#number = number;
    return true;
  }

  /** True for the request that is under way on behalf of all. */
  awaits(number: number): boolean {
    return this.#number === number;
  }

  answered(text: string, isError: boolean): void {
    this.#number = undefined;
    if (!isError) this.#result = text;
    this.#tell(text);
  }

  /** True once: for the first `notifications/initialized`. */
  firstTime(): boolean {
    const first = !this.#isConfirmed;
    this.#isConfirmed = true;
    return first;
  }

  #tell(text: string): void {
    for (const { id, member } of this.#waiting.splice(0)) member.hearText(spliced(text, PLACES.id, id));
  }
}
