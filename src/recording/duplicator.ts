import { randomBytes } from 'node:crypto';
import type { StreamReport } from '../edge/types.ts';
import { TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { CallRequest, LegState } from './call-state.ts';
import type { CommunicationSession, Participant, Party } from './interfaces.ts';
import { Leg } from './leg.ts';
import type { LegServices } from './leg.ts';
import { RecordingWindow } from './recording-window.ts';

export interface DuplicatorOptions {
  readonly callId: string;
  readonly mode: 'duplicate' | 'single';
  /** What to do when only one recorder can take the call. */
  readonly scarce: 'single' | 'refuse';
  readonly tenant?: string;
  readonly site?: string;
  readonly parties?: CallRequest['parties'];
  /** The call's streams as they are now, or last were. */
  readonly streams: () => Streams;
  readonly logger: Logger;
}

type Streams = Readonly<Record<Party, StreamReport>>;

/** One communication session, two recording sessions (or one): the same window, the same identifiers, nothing else in common. */
export class Duplicator {
  readonly legs: readonly Leg[];
  readonly #scarce: 'single' | 'refuse';
  readonly #window = new RecordingWindow();
  readonly #identity: Omit<CommunicationSession, 'startedAt'>;
  #startedAt = 0;
  #ended = false;

  constructor(services: LegServices, options: DuplicatorOptions) {
    this.#scarce = options.scarce;
    this.#identity = {
      callId: options.callId,
      sessionId: uuid(),
      groupId: uuid(),
      participants: {
        a: participant(options, 'a'),
        b: participant(options, 'b'),
      },
    };
    const legs: Leg[] = [];
    for (const leg of options.mode === 'duplicate' ? ([1, 2] as const) : ([1] as const)) {
      legs.push(
        new Leg(services, {
          leg,
          callId: options.callId,
          ...(options.tenant === undefined ? {} : { tenant: options.tenant }),
          ...(options.site === undefined ? {} : { site: options.site }),
          window: this.#window,
          streams: options.streams,
          communicationSession: () => ({ ...this.#identity, startedAt: this.#startedAt }),
          others: () => legs.flatMap((other) => (other.leg === leg ? [] : other.places)),
          logger: options.logger,
        }),
      );
    }
    this.legs = legs;
  }

  /** Holds a recorder for each leg. @throws TandemError NO_RECORDER when the call is not to be taken */
  reserve(): void {
    const [first, second] = this.legs;
    first?.reserve();
    try {
      second?.reserve();
    } catch (error) {
      const bearable =
        error instanceof TandemError && error.code === 'NO_RECORDER' && this.#scarce === 'single';
      if (!bearable) {
        this.cancel();
        throw error;
      }
    }
  }

  /** Gives up what `reserve` holds. */
  cancel(): void {
    for (const leg of this.legs) leg.cancel();
  }

  /** Records everything that arrives from now on. */
  begin(streams: Streams, now: number): void {
    this.#startedAt = now;
    this.#window.begin(streams);
    for (const leg of this.legs) leg.begin();
  }

  /** Resolves when both legs have stopped sending and both recorders were told. */
  async pause(streams: () => Streams): Promise<void> {
    // Marked first: what is withheld from then on is of the pause.
    this.#window.pause(streams());
    await Promise.all(this.legs.map((leg) => leg.pause()));
  }

  async resume(streams: () => Streams): Promise<void> {
    this.#window.resume(streams());
    await Promise.all(this.legs.map((leg) => leg.resume()));
    this.#window.resumed(streams());
  }

  async refresh(): Promise<void> {
    await Promise.all(this.legs.map((leg) => leg.refresh()));
  }

  get ended(): boolean {
    return this.#ended;
  }

  async stop(streams: Streams, reason: string): Promise<void> {
    this.#ended = true;
    this.#window.end(streams);
    await Promise.all(this.legs.map((leg) => leg.stop(reason)));
  }

  state(streams: Streams): LegState[] {
    return this.legs.map((leg) => leg.state(streams));
  }

  get window(): RecordingWindow {
    return this.#window;
  }
}

function participant({ callId, parties }: DuplicatorOptions, party: Party): Participant {
  const given = parties?.[party];
  return {
    participantId: uuid(),
    streamId: uuid(),
    aor: given?.aor ?? `sip:${party}@${encodeURIComponent(callId)}.invalid`,
    ...(given?.name === undefined ? {} : { name: given.name }),
  };
}

/** RFC 7865 6.10: a UUID, base64. Version 4. */
function uuid(): string {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('base64');
}
