import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { messageOf, TandemError } from '../errors.ts';
import { FrameReader } from './frame-reader.ts';
import type { EdgeEvent } from './types.ts';
import { WireReader } from './wire-reader.ts';
import { readEvent } from './wire-reports.ts';
import { WireWriter } from './wire-writer.ts';
import { type WireCommand, wireReplies } from './wire.ts';

/** Commands without their answers, and bytes of them that the edge has not taken: more are refused. */
const unansweredMax = 16_384;
const unsentBytesMax = 67_108_864;

interface Question {
  readonly number: number;
  take(reader: WireReader): void;
  refuse(error: TandemError): void;
}

export interface ChannelListener {
  /** In the order in which they happened; between answers as they came. */
  onEvent(event: EdgeEvent): void;
  /** The edge is gone, or somebody else is its control now. Once, and not after `close()`. */
  onLost(cause: TandemError): void;
}

/**
 * A control's end of the channel to the edge. Commands go in the order in which they are asked, those of one turn of the event loop in
 * one write; their answers come in that order.
 */
export class EdgeChannel {
  readonly #socket: Socket;
  readonly #listener: ChannelListener;
  readonly #frames = new FrameReader();
  readonly #questions: Question[] = [];
  #unsent: Buffer[] = [];
  #unsentBytes = 0;
  #nextNumber = 0;
  #lost: TandemError | undefined;
  #closed = false;

  private constructor(socket: Socket, listener: ChannelListener) {
    this.#socket = socket;
    this.#listener = listener;
    let cause: Error | undefined;
    socket.on('data', (chunk) => {
      try {
        for (const frame of this.#frames.push(chunk)) this.#take(frame);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', (error) => {
      cause = error;
    });
    socket.on('close', () => {
      this.#end(cause);
    });
  }

  /** Throws what `connect` does: ENOENT or ECONNREFUSED where no edge listens. */
  static async open(path: string, listener: ChannelListener): Promise<EdgeChannel> {
    const socket = connect({ path });
    await once(socket, 'connect');
    return new EdgeChannel(socket, listener);
  }

  /**
   * Resolves with what `read` finds in the answer. Rejects with what the edge said; with EDGE_LOST when it went before it answered;
   * with EDGE_FAILED where too much waits for it.
   */
  ask<T>(
    command: WireCommand,
    write: (writer: WireWriter) => void,
    read: (reader: WireReader) => T,
  ): Promise<T> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    if (this.#closed) return Promise.reject(lost('the connection to the edge is closed'));
    const unsentBytes = this.#unsentBytes + this.#socket.writableLength;
    if (this.#questions.length >= unansweredMax || unsentBytes > unsentBytesMax) {
      return Promise.reject(
        new TandemError('EDGE_FAILED', 'the edge does not answer: too many commands wait for it', {
          details: { command, unanswered: this.#questions.length, unsentBytes },
        }),
      );
    }
    const number = this.#nextNumber;
    this.#nextNumber = (number + 1) >>> 0;
    const writer = new WireWriter(command, number);
    write(writer);
    this.#queue(writer.end());
    return new Promise<T>((resolve, reject) => {
      this.#questions.push({
        number,
        take: (reader) => {
          resolve(read(reader));
        },
        refuse: reject,
      });
    });
  }

  /** What was asked before is still sent; who waits for an answer gets EDGE_LOST. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#flush();
    this.#socket.end();
    this.#refuseAll(lost('the connection to the edge is closed'));
  }

  /** Of an edge that does not answer. The connection is gone before this returns, so that a later answer is to nobody. */
  giveUp(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#refuseAll(new TandemError('EDGE_FAILED', 'the edge does not answer'));
  }

  #queue(frame: Buffer): void {
    if (this.#unsent.length === 0)
      setImmediate(() => {
        this.#flush();
      });
    this.#unsent.push(frame);
    this.#unsentBytes += frame.length;
  }

  #flush(): void {
    if (this.#unsent.length === 0) return;
    const all = Buffer.concat(this.#unsent);
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#socket.write(all);
  }

  #take(frame: Buffer): void {
    const reader = new WireReader(frame);
    const reply = reader.u8();
    if (reply === wireReplies.event) {
      this.#listener.onEvent(readEvent(reader));
      return;
    }
    const number = reader.u32();
    const question = this.#questions.shift();
    if (question?.number !== number) throw new RangeError('an answer to nothing that was asked');
    if (reply === wireReplies.answer) question.take(reader);
    else question.refuse(refusal(reader.text(), reader.text()));
  }

  #end(cause: Error | undefined): void {
    if (this.#closed) return;
    this.#lost = lost(
      cause === undefined
        ? 'the edge has ended the connection'
        : `the connection to the edge has ended: ${messageOf(cause)}`,
      cause,
    );
    this.#refuseAll(this.#lost);
    this.#listener.onLost(this.#lost);
  }

  #refuseAll(error: TandemError): void {
    for (const question of this.#questions.splice(0)) question.refuse(error);
  }
}

function lost(message: string, cause?: Error): TandemError {
  return new TandemError('EDGE_LOST', message, { cause });
}

function refusal(code: string, message: string): TandemError {
  const known = code === 'NO_PORT' || code === 'EDGE_VERSION' ? code : 'EDGE_FAILED';
  return new TandemError(known, message);
}
