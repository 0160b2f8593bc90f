import net from 'node:net';
import { nowUs } from '../clock.mjs';
import { MessageReader } from '../framing.mjs';

/** One client socket that sends the same request again and again, one at a time. */
export class Connection {
  /** When the running request went out, or should have. */
  sentAt = 0;
  /** Called with each piece of a body. */
  onBody = ignore;
  /** Called with an Error when the server leaves, or answers anything but 200. */
  onFailure = ignore;
  /** What the last answer called its session. */
  session;
  #socket;
  #request;
  #onAnswer = ignore;

  /** Resolves when connected. `request` is the bytes to send. */
  static open(port, request) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Connection(socket, request)));
    });
  }

  constructor(socket, request) {
    this.#socket = socket;
    this.#request = request;
    const reader = new MessageReader({
      head: (head) => this.#judge(head),
      body: (bytes) => this.onBody(bytes),
      end: () => this.#onAnswer(this),
    });
    socket.on('data', (bytes) => reader.push(bytes));
    socket.on('error', (error) => this.onFailure(error));
    socket.on('close', () => this.onFailure(new Error('the server closed the connection')));
  }

  /** `onAnswer(connection)` is called at the answer's last byte. */
  send(onAnswer, now = nowUs()) {
    this.sentAt = now;
    this.#onAnswer = onAnswer;
    this.#socket.write(this.#request);
  }

  close() {
    this.onFailure = ignore;
    this.#socket.destroy();
  }

  #judge({ start, session }) {
    this.session = session;
    if (!start.startsWith('HTTP/1.1 200')) this.onFailure(new Error(`the answer was ${start}`));
  }
}

function ignore() {}
