import type { Socket } from 'node:net';

/** Nobody has more to say at once: a tree of the most recorders and deaths is a quarter of it. */
const lineBytesMax = 1_048_576;
/** Of one that does not read. */
const backlogBytesMax = 4 * lineBytesMax;

const lineFeed = 0x0a;

export interface LineChannelListener {
  /** JSON as it came: not checked. */
  readonly onMessage: (message: unknown) => void;
  /** Once, whoever closed it. */
  readonly onClosed: () => void;
}

/** A JSON value a line, over a stream socket. Who sends what is none, too much of it, or does not read, is cut off. */
export class LineChannel {
  readonly #socket: Socket;
  readonly #listener: LineChannelListener;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(socket: Socket, listener: LineChannelListener) {
    this.#socket = socket;
    this.#listener = listener;
    socket.on('data', (chunk: Buffer) => {
      this.#take(chunk);
    });
    // `close` follows.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      listener.onClosed();
    });
  }

  send(message: object): void {
    if (this.#socket.destroyed) return;
    if (this.#socket.writableLength > backlogBytesMax) {
      this.#socket.destroy();
      return;
    }
    this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** Resolves when what was sent is with the system. */
  async flush(): Promise<void> {
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', resolve);
      this.#socket.write('', () => {
        resolve();
      });
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(lineFeed, from);
      const part = chunk.subarray(from, end === -1 ? undefined : end);
      this.#parts.push(part);
      this.#bytes += part.length;
      if (this.#bytes > lineBytesMax) {
        this.#socket.destroy();
        return;
      }
      if (end === -1) return;
      const line = Buffer.concat(this.#parts).toString();
      this.#parts = [];
      this.#bytes = 0;
      from = end + 1;
      if (line !== '' && !this.#tell(line)) return;
    }
  }

  #tell(line: string): boolean {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      this.#socket.destroy();
      return false;
    }
    this.#listener.onMessage(message);
    return !this.#socket.destroyed;
  }
}
