import { EventEmitter } from 'node:events';
import type { Clock } from '../../src/clock.ts';
import { TandemError } from '../../src/errors.ts';
import type {
  EstablishRequest,
  FailureReason,
  RecorderMedia,
  SessionClient,
  SessionEvents,
} from '../../src/recording/interfaces.ts';
import { mediaAddress } from './bridge-stub.ts';
import type { RecorderStub } from './recorder-stub.ts';

const transactionMs = 32_000;

interface Invite {
  readonly request: EstablishRequest;
  readonly resolve: (media: RecorderMedia) => void;
  readonly reject: (error: TandemError) => void;
}

/** SIPREC by hand: recorders answer as they are told to. */
export class SessionClientStub extends EventEmitter<SessionEvents> implements SessionClient {
  /** Every INVITE ever sent, as recorder ids. */
  readonly invited: string[] = [];
  readonly requests: EstablishRequest[] = [];
  readonly inviting = new Map<string, Invite>();
  readonly established = new Map<string, RecorderStub>();
  readonly log: string[];
  /** What single calls get instead of what the recorder answers. */
  onInvited: (callId: string) => TandemError | undefined = () => undefined;
  /** What a recorder does in the same breath as it answers. */
  onAnswered: (recorder: RecorderStub, recordId: string) => void = () => undefined;
  readonly #clock: Clock;
  readonly #recorders: readonly RecorderStub[];

  constructor(clock: Clock, recorders: readonly RecorderStub[], log: string[]) {
    super();
    this.#clock = clock;
    this.#recorders = recorders;
    this.log = log;
  }

  /** What was established before is gone with its process. */
  adopt(): undefined {
    return undefined;
  }

  async establish(
    request: EstablishRequest,
    signal?: AbortSignal,
  ): Promise<{ media: RecorderMedia }> {
    const { recordId, timeoutMs } = request;
    const recorder = this.#at(request.uri);
    this.invited.push(recorder.id);
    this.requests.push(request);
    const answer = Promise.withResolvers<RecorderMedia>();
    this.inviting.set(recordId, { request, ...answer });
    const timer = this.#clock.setTimeout(() => {
      answer.reject(new TandemError('SESSION_TIMEOUT', '408'));
    }, timeoutMs);
    signal?.addEventListener('abort', () => {
      answer.reject(new TandemError('SESSION_CANCELLED', '487'));
    });
    if (recorder.health === 'well') {
      const special = this.onInvited(request.communicationSession.callId);
      if (special !== undefined) answer.reject(special);
      else if (recorder.answer === 'accept') answer.resolve(mediaOf(recorder));
      else if (recorder.answer === 'inactive') answer.resolve({});
      else if (recorder.answer !== 'hold') answer.reject(recorder.answer);
    }
    try {
      const media = await answer.promise;
      this.established.set(recordId, recorder);
      this.onAnswered(recorder, recordId);
      return { media };
    } finally {
      this.#clock.clearTimeout(timer);
      this.inviting.delete(recordId);
    }
  }

  /** The recorder answers the INVITE that it held back. */
  answer(recorderId: string): void {
    for (const { request, resolve } of this.inviting.values()) {
      const recorder = this.#at(request.uri);
      if (recorder.id === recorderId) resolve(mediaOf(recorder));
    }
  }

  async update(
    recordId: string,
    { paused }: { paused: boolean },
  ): Promise<{ media: RecorderMedia }> {
    const recorder = this.established.get(recordId);
    if (recorder === undefined) throw new TandemError('SESSION_CANCELLED', 'no session');
    this.log.push(`told ${recorder.id} ${paused ? 'inactive' : 'sendonly'}`);
    if (recorder.health !== 'well') await this.#timeout();
    if (recorder.updates === 'hold') await new Promise(() => undefined);
    if (recorder.updates instanceof TandemError) throw recorder.updates;
    return { media: mediaOf(recorder) };
  }

  async end(recordId: string): Promise<void> {
    const recorder = this.established.get(recordId);
    if (recorder === undefined) return;
    this.established.delete(recordId);
    this.log.push(`bye ${recorder.id}`);
    if (recorder.health !== 'well') await this.#timeout().catch(() => undefined);
  }

  /** All sessions of this recorder end, and not by us. */
  lose(recorderId: string, reason: FailureReason): void {
    for (const recordId of this.sessionsOn(recorderId)) {
      this.established.delete(recordId);
      this.emit('ended', { recordId, reason });
    }
  }

  /** The recorder that had answered inactive wants the media now, or the other way round. */
  changeMedia(recorderId: string, media: RecorderMedia): void {
    for (const recordId of this.sessionsOn(recorderId))
      this.emit('mediaChanged', { recordId, media });
  }

  sessionsOn(recorderId: string): string[] {
    return [...this.established].filter(([, { id }]) => id === recorderId).map(([id]) => id);
  }

  #timeout(): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.#clock.setTimeout(() => {
        reject(new TandemError('SESSION_TIMEOUT', '408'));
      }, transactionMs);
    });
  }

  #at(uri: string): RecorderStub {
    const recorder = this.#recorders.find((candidate) => candidate.uri === uri);
    if (recorder === undefined) throw new Error(`no recorder at ${uri}`);
    return recorder;
  }
}

export function mediaOf({ ip }: RecorderStub): RecorderMedia {
  return { a: mediaAddress(ip), b: mediaAddress(ip) };
}
