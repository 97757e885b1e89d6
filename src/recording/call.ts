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
  readonly #reported = new Set<Duplicator>();
  #state: CallStateName = 'offered';
  #opened = false;
  /** As last seen: it is still needed when the bridge has let go of the call. */
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

  /** Its ports are pinned; before that there is nothing to tell of it. */
  get opened(): boolean {
    return this.#opened;
  }

  get kind(): { state: CallStateName; path: MediaPath } {
    return { state: this.#state, path: this.#describeMedia().path };
  }

  get legs(): readonly Leg[] {
    return this.#recordings.at(-1)?.legs ?? [];
  }

  /** @throws TandemError SDP_*, NO_PORT, NO_RECORDER, WORKER_LOST; nothing is left behind then */
  open(path: 'mediasoup' | 'direct', latch: 'announced' | 'any'): Promise<{ offer: string }> {
    return this.#inTurn(async () => {
      const { mode, request } = this.#options;
      const recording = mode === 'off' ? undefined : this.#newRecording(mode);
      try {
        recording?.reserve();
        const { bridge } = this.#services;
        const offered = await bridge.openCall({
          callId: this.id,
          offer: request.offer,
          path,
          latch,
        });
        this.#opened = true;
        return offered;
      } catch (error) {
        recording?.cancel();
        this.#state = 'ended';
        throw error;
      }
    });
  }

  answer(sdp: string): Promise<{ answer: string }> {
    return this.#inTurn(async () => {
      if (this.#state === 'answered') {
        throw new TandemError('ANSWER_ALREADY_GIVEN', 'the call is answered', {
          details: { field: 'answer', callId: this.id },
        });
      }
      const first = this.#state === 'offered';
      // Marked when the answer arrives: the parties' media may flow before the bridge is done with it.
      const marked = this.#streams();
      const now = this.#services.clock.now();
      const answered = await this.#services.bridge.answerCall(this.id, sdp);
      this.#state = 'answered';
      const recording = this.#recordings.at(-1);
      if (first) recording?.begin(marked, now);
      // The parties' answer does not wait for recorders.
      else if (recording?.ended === false) void recording.refresh();
      return answered;
    });
  }

  reoffer(party: Party, sdp: string): Promise<{ offer: string }> {
    return this.#inTurn(async () => {
      if (this.#state === 'offered') {
        throw new TandemError('ANSWER_BEFORE_OFFER', 'the first offer is not answered yet', {
          details: { field: 'offer', callId: this.id },
        });
      }
      const offered = await this.#services.bridge.reofferCall(this.id, party, sdp);
      this.#state = 'reoffered';
      return offered;
    });
  }

  rejectReoffer(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== 'reoffered') {
        throw new TandemError('CALL_STATE', 'no re-offer waits for an answer', {
          details: { field: 'rejected', callId: this.id, state: this.#state },
        });
      }
      await this.#services.bridge.cancelReoffer(this.id);
      this.#state = 'answered';
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
          await this.#stop(this.#running(), 'stopped');
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
      try {
        if (this.#state === 'offered') recording?.cancel();
        else if (recording !== undefined) await this.#stop(recording, reason);
      } finally {
        this.#state = 'ended';
        this.#media = this.#services.bridge.closeCall(this.id) ?? this.#media;
      }
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
      streams: () => this.#streams(),
      logger: this.#logger,
    });
    this.#recordings.push(recording);
    return recording;
  }

  #running(): Duplicator {
    const recording = this.#recordings.at(-1);
    if (recording === undefined || recording.ended || this.#state === 'offered') {
      throw new TandemError('RECORDING_OFF', 'the call is not being recorded', {
        details: { field: 'action', callId: this.id, state: this.#state },
      });
    }
    return recording;
  }

  #start(): void {
    const last = this.#recordings.at(-1);
    if (this.#state === 'offered') {
      throw new TandemError('CALL_STATE', 'recording starts with the answer', {
        details: { field: 'action', callId: this.id, state: this.#state },
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

  async #stop(recording: Duplicator, reason: string): Promise<void> {
    await recording.stop(this.#streams(), reason);
    if (this.#reported.has(recording)) return;
    this.#reported.add(recording);
    const streams = this.#streams();
    for (const leg of recording.legs) {
      const a = leg.delivery('a', streams.a);
      const b = leg.delivery('b', streams.b);
      const lostPackets = a.lostPackets + b.lostPackets;
      this.#services.observer.legEnded(this.id, leg.leg, lostPackets, a.lostMs + b.lostMs);
    }
  }

  #describeMedia(): CallMedia {
    if (this.#state === 'ended' && this.#media !== undefined) return this.#media;
    try {
      this.#media = this.#services.bridge.describeCall(this.id);
    } catch (error) {
      // The bridge may lose a call; what was seen of it last still holds.
      if (this.#media === undefined) throw error;
    }
    return this.#media;
  }

  #streams(): Streams {
    const { a, b } = this.#describeMedia().parties;
    return { a: a.report, b: b.report };
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => {
      if (this.#state === 'ended') {
        throw new TandemError('CALL_NOT_FOUND', 'the call has ended', {
          details: { field: 'id', value: this.id },
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
