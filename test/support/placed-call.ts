import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CallState, LegState } from '../../src/recording/call-state.ts';
import { readRtpWithTshark } from './media-compare.ts';
import type { CapturedRtp } from './media-compare.ts';
import { RtpEndpoint } from './rtp-endpoint.ts';
import type { StreamOptions } from './rtp-endpoint.ts';
import type { TandemProcess } from './tandem-process.ts';

export interface CallPlan {
  readonly id: string;
  readonly formats?: string;
  readonly attributes?: string[];
  readonly stream?: StreamOptions;
  readonly family?: 4 | 6;
  /** Merged into the body of POST /v1/calls. */
  readonly request?: Record<string, unknown>;
}

interface Address {
  readonly ip: string;
  readonly port: number;
}

/** A call through a real Tandem with an endpoint of ours on each side, answered. */
export class PlacedCall {
  readonly id: string;
  readonly a: RtpEndpoint;
  readonly b: RtpEndpoint;
  /** Where each endpoint sends to. */
  readonly ports: { readonly a: Address; readonly b: Address };
  readonly #tandem: TandemProcess;

  private constructor(
    tandem: TandemProcess,
    id: string,
    endpoints: { a: RtpEndpoint; b: RtpEndpoint },
    ports: { a: Address; b: Address },
  ) {
    this.#tandem = tandem;
    this.id = id;
    this.a = endpoints.a;
    this.b = endpoints.b;
    this.ports = ports;
  }

  static async place(tandem: TandemProcess, plan: CallPlan): Promise<PlacedCall> {
    const { id, formats, attributes, stream, family = 4 } = plan;
    const a = await RtpEndpoint.open({ ssrc: 0xaaaa0001, ...stream }, family);
    const b = await RtpEndpoint.open({ ssrc: 0xbbbb0001, ...stream }, family);
    const offer = a.sdp(formats, attributes);
    await tandem.api('POST', '/v1/calls', { id, offer, ...plan.request });
    await tandem.api('POST', `/v1/calls/${id}/answer`, { answer: b.sdp(formats, attributes) });
    const { parties } = await tandem.call(id);
    return new PlacedCall(
      tandem,
      id,
      { a, b },
      { a: { ...parties.a.local }, b: { ...parties.b.local } },
    );
  }

  /** Calls that are all being recorded. */
  static async placeMany(
    tandem: TandemProcess,
    count: number,
    planOf: (index: number) => CallPlan,
  ): Promise<PlacedCall[]> {
    const placed = await Promise.all(
      Array.from({ length: count }, (_, index) => PlacedCall.place(tandem, planOf(index))),
    );
    await Promise.all(placed.map((call) => call.recording()));
    return placed;
  }

  state(): Promise<CallState> {
    return this.#tandem.call(this.id);
  }

  /** Resolves when every leg records. */
  recording(): Promise<CallState> {
    return this.#tandem.until(
      () => this.state(),
      ({ recordings }) => recordings.every(({ state }) => state === 'recording'),
    );
  }

  /** Both parties talk at once. */
  talk(count: number): Promise<void> {
    return this.#talk({ count });
  }

  talkUntil(signal: AbortSignal): Promise<void> {
    return this.#talk({ signal });
  }

  async #talk(until: { count: number } | { signal: AbortSignal }): Promise<void> {
    await Promise.all([this.a.stream(this.ports.a, until), this.b.stream(this.ports.b, until)]);
  }

  /** Resolves when each party has heard all that the other one said; whether it heard more is another question. */
  async heardAll(): Promise<void> {
    await this.#tandem.until(
      () => Promise.resolve([this.a.received.length, this.b.received.length] as const),
      ([byA, byB]) => byA >= this.b.sent.length && byB >= this.a.sent.length,
    );
  }

  /** Ends the call; resolves with its legs when the files of every session are whole. */
  async end(): Promise<readonly LegState[]> {
    await this.hangUp();
    const { recordings } = await this.state();
    await this.whole(recordings.flatMap((leg) => this.folders(leg)));
    this.a.close();
    this.b.close();
    return recordings;
  }

  /** Ends the call; the files may not be whole yet. */
  async hangUp(): Promise<void> {
    await this.#tandem.endCall(this.id);
  }

  /** Resolves when the recordings in these folders are whole. */
  async whole(folders: readonly string[]): Promise<void> {
    await this.#tandem.until(
      () => Promise.resolve(folders.every((folder) => existsSync(join(folder, 'recording.json')))),
      (whole) => whole,
    );
  }

  folders({ sessions }: LegState): string[] {
    return sessions.map(({ recorder, recordId }) =>
      join(this.#tandem.dir, 'recordings', recorder, recordId),
    );
  }

  /** All RTP that a leg's sessions have on disk, by tshark. */
  recorded(leg: LegState): CapturedRtp[] {
    return this.folders(leg).flatMap((folder) => readRtpWithTshark(join(folder, 'media.pcapng')));
  }
}
