import type { StreamReport } from '../edge/types.ts';
import { TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { count, gaps } from '../rtp/ranges.ts';
import type {
  CallRequest,
  CallState,
  CallStateName,
  FailoverState,
  PartyState,
  RecordingAction,
  RecordingMode,
} from './call-state.ts';
import { Duplicator } from './duplicator.ts';
import type { CallMedia, MediaPath, Party, PartyMedia } from './interfaces.ts';
import type { Leg, LegServices } from './leg.ts';
import { buildLedger } from './ledger.ts';
import type { Ledger } from './ledger.ts';

export interface CallOptions {
  readonly id: string;
  readonly request: CallRequest;
  readonly mode: RecordingMode;
  readonly scarce: 'single' | 'refuse';
  readonly logger: Logger;
}

type Streams = Readonly<Record<Party, StreamReport>>;

/** One call: its pinned media, and its recordings from the answer on. What is asked of it is done in order. */
export class Call {
  readonly id: string;
  readonly createdAt: number;
  readonly #services: LegServices;
  readonly #options: CallOptions;
  readonly #logger: Logger;
  /** In order; a recording that was stopped and started again is a new one. */
  readonly #recordings: Duplicator[] = [];
  #state: CallStateName = 'offered';
  #media: CallMedia | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #ending: Promise<void> | undefined;

  constructor(services: LegServices, options: CallOptions) {
    this.id = options.id;
    this.createdAt = services.clock.now();
    this.#services = services;
    this.#options = options;
    this.#logger = options.logger.child({ callId: options.id });
  }

  get state(): CallStateName {
    return this.#state;
  }

  get kind(): { state: CallStateName; path: MediaPath } {
    return { state: this.#state, path: this.#describeMedia().path };
  }

  get legs(): readonly Leg[] {
    return this.#recordings.at(-1)?.legs ?? [];
  }

  /** @throws TandemError SDP_*, NO_PORT, NO_RECORDER, WORKER_LOST; nothing is left behind then */
  async open(path: 'mediasoup' | 'direct', latch: 'announced' | 'any'): Promise<{ offer: string }> {
    const { mode, request } = this.#options;
    const recording = mode === 'off' ? undefined : this.#newRecording(mode);
    recording?.reserve();
    try {
      const { bridge } = this.#services;
      return await bridge.openCall({ callId: this.id, offer: request.offer, path, latch });
    } catch (error) {
      recording?.cancel();
      throw error;
    }
  }

  answer(sdp: string): Promise<{ answer: string }> {
    return this.#inTurn(async () => {
      if (this.#state === 'answered') {
        throw new TandemError('ANSWER_ALREADY_GIVEN', 'the call is answered', {
          details: { callId: this.id },
        });
      }
      const answered = await this.#services.bridge.answerCall(this.id, sdp);
      const first = this.#state === 'offered';
      this.#state = 'answered';
      const recording = this.#recordings.at(-1);
      if (first) recording?.begin(this.#streams(), this.#services.clock.now());
      // The parties' answer does not wait for recorders.
      else void recording?.refresh();
      return answered;
    });
  }

  reoffer(party: Party, sdp: string): Promise<{ offer: string }> {
    return this.#inTurn(async () => {
      if (this.#state === 'offered') {
        throw new TandemError('ANSWER_BEFORE_OFFER', 'the first offer is not answered yet', {
          details: { callId: this.id },
        });
      }
      const offered = await this.#services.bridge.reofferCall(this.id, party, sdp);
      this.#state = 'reoffered';
      return offered;
    });
  }

  record(action: RecordingAction): Promise<CallState> {
    return this.#inTurn(async () => {
      const streams = (): Streams => this.#streams();
      switch (action) {
        case 'pause':
          await this.#running().pause(streams);
          break;
        case 'resume':
          await this.#running().resume(streams);
          break;
        case 'stop':
          await this.#running().stop(streams(), 'stopped');
          break;
        case 'start':
          this.#start();
          break;
        default:
          action satisfies never;
      }
      return this.describe();
    });
  }

  /** What is in the ring still reaches the recorders, then the ports are free. Idempotent. */
  end(reason: string): Promise<void> {
    this.#ending ??= this.#inTurn(async () => {
      const recording = this.#recordings.at(-1);
      if (this.#state === 'offered') recording?.cancel();
      else await recording?.stop(this.#streams(), reason);
      this.#media = this.#services.bridge.describeCall(this.id);
      this.#state = 'ended';
      this.#services.bridge.closeCall(this.id);
      this.#report();
    });
    return this.#ending;
  }

  describe(): CallState {
    const media = this.#describeMedia();
    const streams = { a: media.parties.a.report, b: media.parties.b.report };
    const { tenant, site } = this.#options.request;
    return {
      id: this.id,
      state: this.#state,
      path: media.path,
      ...(tenant === undefined ? {} : { tenant }),
      ...(site === undefined ? {} : { site }),
      parties: { a: partyState(media.parties.a), b: partyState(media.parties.b) },
      recordings: this.#recordings.at(-1)?.state(streams) ?? [],
      failovers: this.failovers(),
    };
  }

  failovers(): FailoverState[] {
    return this.#recordings
      .flatMap(({ legs }) => legs.flatMap(({ failovers }) => failovers))
      .sort((x, y) => x.at.localeCompare(y.at));
  }

  ledger(): Ledger {
    return buildLedger(this.id, this.#streams(), this.#recordings.at(-1));
  }

  /** Unix ms of the last packet of either party; the call's creation before there is one. */
  lastHeardAt(): number {
    const { a, b } = this.#streams();
    return Math.max(this.createdAt, a.received.at(-1)?.lastAt ?? 0, b.received.at(-1)?.lastAt ?? 0);
  }

  #newRecording(mode: 'duplicate' | 'single'): Duplicator {
    const { request, scarce } = this.#options;
    const recording = new Duplicator(this.#services, {
      callId: this.id,
      mode,
      scarce,
      ...(request.tenant === undefined ? {} : { tenant: request.tenant }),
      ...(request.site === undefined ? {} : { site: request.site }),
      parties: request.parties,
      logger: this.#logger,
    });
    this.#recordings.push(recording);
    return recording;
  }

  #running(): Duplicator {
    const recording = this.#recordings.at(-1);
    if (recording === undefined || recording.ended || this.#state === 'offered') {
      throw new TandemError('RECORDING_OFF', 'the call is not being recorded', {
        details: { callId: this.id, state: this.#state },
      });
    }
    return recording;
  }

  #start(): void {
    const last = this.#recordings.at(-1);
    if (this.#state === 'offered') {
      throw new TandemError('CALL_STATE', 'recording starts with the answer', {
        details: { callId: this.id, state: this.#state },
      });
    }
    if (last?.ended === false) return;
    const mode = this.#options.mode === 'single' ? 'single' : 'duplicate';
    const recording = this.#newRecording(mode);
    try {
      recording.reserve();
    } catch (error) {
      this.#recordings.pop();
      throw error;
    }
    recording.begin(this.#streams(), this.#services.clock.now());
  }

  #report(): void {
    const streams = this.#streams();
    for (const leg of this.legs) {
      const a = leg.delivery('a', streams.a);
      const b = leg.delivery('b', streams.b);
      const lostPackets = a.lostPackets + b.lostPackets;
      this.#services.observer.legEnded(this.id, leg.leg, lostPackets, a.lostMs + b.lostMs);
    }
  }

  #describeMedia(): CallMedia {
    return this.#media ?? this.#services.bridge.describeCall(this.id);
  }

  #streams(): Streams {
    const { a, b } = this.#describeMedia().parties;
    return { a: a.report, b: b.report };
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => {
      if (this.#state === 'ended') {
        throw new TandemError('CALL_NOT_FOUND', 'the call has ended', {
          details: { callId: this.id },
        });
      }
      return action();
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

function partyState({ local, report }: PartyMedia): PartyState {
  return {
    local,
    latched: report.latched ?? null,
    packets: report.packets,
    upstreamLostPackets: count(gaps(report.received)),
    refusedPackets: Object.values(report.refused).reduce((sum, refused) => sum + refused, 0),
    ssrcChanges: report.ssrcChangeCount,
  };
}
