import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { messageOf, TandemError } from '../errors.ts';
import type { HelloAnswer } from './edge-process-types.ts';
import { FrameReader } from './frame-reader.ts';
import type { EdgeEvent } from './types.ts';
import { WireReader } from './wire-reader.ts';
import { readEvent, readHello } from './wire-reports.ts';
import { WireWriter } from './wire-writer.ts';
import { type WireCommand, wireMagic, wireReplies, wireVersion } from './wire.ts';

/** Commands without their answers, and bytes of them: more are refused. */
const unansweredMax = 16_384;
const heldBytesMax = 67_108_864;
/** From the end of the connection until the edge that was killed goes on. */
const comeBackMs = 15_000;
const againMs = 20;

/** Codes of the edge that are Tandem's, too. */
const passedOn = [
  'NO_PORT',
  'EDGE_FULL',
  'EDGE_LOST',
  'EDGE_ORDER_REFUSED',
  'EDGE_VERSION',
] as const;

interface Question {
  readonly number: number;
  /** As it is said again to the next edge. */
  readonly frame: Buffer;
  take(reader: WireReader): void;
  refuse(error: TandemError): void;
}

export interface ChannelListener {
  /** In the order in which they happened; between answers as they came. */
  onEvent(event: EdgeEvent): void;
  /** The edge was killed and goes on: what was asked is answered. */
  onBack(hello: HelloAnswer): void;
  /** The edge is gone, or somebody else is its control now. Once, and not after `close()`. */
  onLost(cause: TandemError): void;
}

/**
 * A control's end of the channel to the edge. Commands go in the order in which they are asked, those of one turn of the event loop in
 * one write; their answers come in that order. When the edge is killed and goes on, it is asked again for what it has not answered: it
 * knows what it has done.
 */
export class EdgeChannel {
  readonly #path: string;
  readonly #listener: ChannelListener;
  readonly #questions: Question[] = [];
  #heldBytes = 0;
  /** Absent while there is none. */
  #socket: Socket | undefined;
  #unsent: Buffer[] = [];
  #nextNumber = 0;
  /** Absent before the edge has said it. */
  #session: HelloAnswer['session'] | undefined;
  #comingBack: NodeJS.Timeout | undefined;
  #lost: TandemError | undefined;
  #closed = false;

  private constructor(path: string, listener: ChannelListener) {
    this.#path = path;
    this.#listener = listener;
  }

  /** Throws what `connect` does: ENOENT or ECONNREFUSED where no edge listens. */
  static async open(path: string, listener: ChannelListener): Promise<EdgeChannel> {
    const socket = connect({ path });
    await once(socket, 'connect');
    const channel = new EdgeChannel(path, listener);
    channel.#attach(socket);
    return channel;
  }

  /** From now on the end of the connection is not that of the edge. */
  mayComeBack({ session }: HelloAnswer): void {
    this.#session = session;
  }

  /**
   * Resolves with what `read` finds in the answer. Rejects with what the edge said; with EDGE_LOST when it is gone for good before it
   * has answered, or its answer is; with EDGE_FAILED where too much waits for it.
   */
  ask<T>(
    command: WireCommand,
    write: (writer: WireWriter) => void,
    read: (reader: WireReader) => T,
  ): Promise<T> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    if (this.#closed) return Promise.reject(lost('the connection to the edge is closed'));
    if (this.#questions.length >= unansweredMax || this.#heldBytes > heldBytesMax) {
      return Promise.reject(
        new TandemError('EDGE_FAILED', 'the edge does not answer: too many commands wait for it', {
          details: { command, unanswered: this.#questions.length, bytes: this.#heldBytes },
        }),
      );
    }
    return new Promise<T>((resolve, reject) => {
      const question = this.#question(command, write, {
        take: (reader) => {
          resolve(read(reader));
        },
        refuse: reject,
      });
      this.#questions.push(question);
      this.#heldBytes += question.frame.length;
      this.#queue(question.frame);
    });
  }

  /** What was asked before is still sent; who waits for an answer gets EDGE_LOST. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#comingBack);
    this.#flush();
    this.#socket?.end();
    this.#refuseAll(lost('the connection to the edge is closed'));
  }

  /** Of an edge that does not answer. The connection is gone before this returns, so that a later answer is to nobody. */
  giveUp(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#comingBack);
    this.#socket?.destroy();
    this.#refuseAll(new TandemError('EDGE_FAILED', 'the edge does not answer'));
  }

  #question(
    command: WireCommand,
    write: (writer: WireWriter) => void,
    answer: Pick<Question, 'take' | 'refuse'>,
  ): Question {
    const number = this.#nextNumber;
    this.#nextNumber = (number + 1) >>> 0;
    const writer = new WireWriter(command, number);
    write(writer);
    return { number, frame: writer.end(), ...answer };
  }

  #attach(socket: Socket): void {
    this.#socket = socket;
    const frames = new FrameReader();
    let cause: Error | undefined;
    socket.on('data', (chunk) => {
      try {
        for (const frame of frames.push(chunk)) this.#take(frame);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', (error) => {
      cause = error;
    });
    socket.on('close', () => {
      this.#socket = undefined;
      this.#unsent = [];
      this.#end(cause);
    });
  }

  #queue(frame: Buffer): void {
    if (this.#socket === undefined) return;
    if (this.#unsent.length === 0)
      setImmediate(() => {
        this.#flush();
      });
    this.#unsent.push(frame);
  }

  #flush(): void {
    if (this.#unsent.length === 0) return;
    const all = Buffer.concat(this.#unsent);
    this.#unsent = [];
    this.#socket?.write(all);
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
    this.#heldBytes -= question.frame.length;
    if (reply === wireReplies.answer) question.take(reader);
    else question.refuse(refusal(reader.text(), reader.text()));
  }

  #end(cause: Error | undefined): void {
    if (this.#closed || this.#lost !== undefined) return;
    const end = lost(
      cause === undefined
        ? 'the edge has ended the connection'
        : `the connection to the edge has ended: ${messageOf(cause)}`,
      cause,
    );
    if (this.#session === undefined) {
      this.#lose(end);
      return;
    }
    const isAgain = this.#comingBack !== undefined;
    this.#comingBack ??= setTimeout(() => {
      this.#lose(end);
      this.#socket?.destroy();
    }, comeBackMs);
    setTimeout(
      () => {
        this.#comeBack(this.#session, end);
      },
      isAgain ? againMs : 0,
    );
  }

  #comeBack(session: HelloAnswer['session'] = [0, 0], end: TandemError): void {
    if (this.#closed || this.#lost !== undefined) return;
    const socket = connect({ path: this.#path });
    // Its socket is there as long as any of its processes is.
    const onError = (): void => {
      this.#lose(end);
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      if (this.#closed || this.#lost !== undefined) {
        socket.destroy();
        return;
      }
      this.#attach(socket);
      this.#resume(socket, session);
    });
  }

  #resume(socket: Socket, session: HelloAnswer['session']): void {
    const isBack = this.#question(
      'resume',
      (writer) => {
        writer.u32(wireMagic);
        writer.u16(wireVersion);
        for (const half of session) writer.u32(half);
      },
      {
        take: (reader) => {
          clearTimeout(this.#comingBack);
          this.#comingBack = undefined;
          this.#listener.onBack(readHello(reader));
        },
        refuse: (error) => {
          this.#lose(error);
          socket.destroy();
        },
      },
    );
    const again = this.#questions.map(({ frame }) => frame);
    this.#questions.unshift(isBack);
    this.#heldBytes += isBack.frame.length;
    socket.write(Buffer.concat([isBack.frame, ...again]));
    socket.once('close', () => {
      if (this.#questions[0] !== isBack) return;
      this.#questions.shift();
      this.#heldBytes -= isBack.frame.length;
    });
  }

  #lose(cause: TandemError): void {
    if (this.#closed || this.#lost !== undefined) return;
    clearTimeout(this.#comingBack);
    this.#lost = cause;
    this.#refuseAll(cause);
    this.#listener.onLost(cause);
  }

  #refuseAll(error: TandemError): void {
    this.#heldBytes = 0;
    for (const question of this.#questions.splice(0)) question.refuse(error);
  }
}

function lost(message: string, cause?: Error): TandemError {
  return new TandemError('EDGE_LOST', message, { cause });
}

function refusal(code: string, message: string): TandemError {
  const known = passedOn.find((each) => each === code);
  return new TandemError(known ?? 'EDGE_FAILED', message);
}
