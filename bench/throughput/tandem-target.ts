import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { SocketAddress } from '../../src/edge/types.ts';
import type { CallState } from '../../src/recording/call-state.ts';
import { TandemProcess } from '../../test/support/tandem-process.ts';
import { networks } from '../addresses.ts';
import type { LoadStream } from '../load-generator.ts';
import { processTree } from '../process-usage.ts';
import { mediaAddressOf, pcmuSdp } from '../sdp.ts';
import { SinkRecorder } from './sink-recorder.ts';
import type { CallPlan, LegPlacement, Target } from './target.ts';

const CALLS_AT_ONCE = 16;

/** `tandem serve` as it comes, but for its recorders, with calls placed over its HTTP API. */
export class TandemTarget implements Target {
  readonly #tandem: TandemProcess;
  readonly #recorders: readonly SinkRecorder[];
  readonly #path: 'mediasoup' | 'direct';
  #callIds: readonly string[] = [];

  private constructor(
    tandem: TandemProcess,
    recorders: readonly SinkRecorder[],
    path: 'mediasoup' | 'direct',
  ) {
    this.#tandem = tandem;
    this.#recorders = recorders;
    this.#path = path;
  }

  /** Resolves when one call has been placed and ended, so that what is made only once is there. */
  static async create(options: {
    path: 'mediasoup' | 'direct';
    streams: readonly LoadStream[];
    partyPort: number;
    sinkPorts: readonly number[];
    logger: Logger;
  }): Promise<TandemTarget> {
    const { path, streams, partyPort, sinkPorts, logger } = options;
    const recorders = await Promise.all(
      networks.sinks.map((network, sink) =>
        SinkRecorder.create({ network, sinkPort: sinkPorts[sink]!, logger }),
      ),
    );
    const dir = mkdtempSync(join(tmpdir(), 'tandem-bench-'));
    process.once('exit', () => {
      rmSync(dir, { recursive: true, force: true });
    });
    const tandem = await TandemProcess.start(
      {
        media: { path },
        recorders: {
          list: recorders.map(({ uri }, sink) => ({
            id: recorderId(sink),
            uri,
            zone: `zone-${sink}`,
            capacity: 1_000_000,
          })),
        },
        log: { level: 'warn' },
      },
      dir,
    );
    process.once('exit', () => {
      tandem.killAll();
    });
    const target = new TandemTarget(tandem, recorders, path);
    await target.#place('warm-up', streams, 0, partyPort);
    await target.#untilRecorded('warm-up');
    await tandem.api('DELETE', '/v1/calls/warm-up');
    return target;
  }

  get pids(): readonly number[] {
    return processTree(this.#tandem.child.pid!);
  }

  async connect({ streams, partyPort }: CallPlan): Promise<readonly SocketAddress[]> {
    this.#callIds = Array.from({ length: streams.length / 2 }, (_, call) => `call-${call}`);
    const to: SocketAddress[] = [];
    await this.#forEachCall(async (id, call) => {
      const { a, b } = await this.#place(id, streams, call, partyPort);
      to[2 * call] = a;
      to[2 * call + 1] = b;
    });
    await this.#forEachCall((id) => this.#untilRecorded(id));
    return to;
  }

  async legs(): Promise<LegPlacement> {
    const sinksByCall: [number, number][] = [];
    let failovers = 0;
    await this.#forEachCall(async (id, call) => {
      const state = await this.#tandem.call(id);
      failovers += state.failovers.length;
      if (state.path !== this.#path) throw new Error(`${id} takes the ${state.path} path`);
      // A leg that failed under too much load has no recorder, or is back where it was: there is no third one.
      const [leg1, leg2] = state.recordings.map(({ sessions }) => sinkOf(sessions[0]?.recorder));
      if (leg1 === undefined || leg2 === undefined) throw new Error(`${id} was not recorded twice`);
      sinksByCall[call] = [leg1, leg2];
    });
    return { sinksByCall, failovers };
  }

  async close(): Promise<void> {
    const code = await this.#tandem.stop();
    await Promise.all(this.#recorders.map((recorder) => recorder.close()));
    if (code !== 0)
      throw new Error(`tandem serve ended with ${String(code)}:\n${this.#tandem.log}`);
  }

  /** Where either party is to send to. */
  async #place(
    id: string,
    streams: readonly LoadStream[],
    call: number,
    partyPort: number,
  ): Promise<{ a: SocketAddress; b: SocketAddress }> {
    const [ipA, ipB] = [streams[2 * call]!.ip, streams[2 * call + 1]!.ip];
    const { offer } = await this.#tandem.api<{ offer: string }>('POST', '/v1/calls', {
      id,
      offer: pcmuSdp({ ip: ipA, port: partyPort }),
      media: { path: this.#path },
    });
    const { answer } = await this.#tandem.api<{ answer: string }>(
      'POST',
      `/v1/calls/${id}/answer`,
      {
        answer: pcmuSdp({ ip: ipB, port: partyPort }),
      },
    );
    return { a: mediaAddressOf(answer), b: mediaAddressOf(offer) };
  }

  async #untilRecorded(id: string): Promise<void> {
    await this.#tandem.until<CallState>(
      () => this.#tandem.call(id),
      ({ recordings }) =>
        recordings.length === 2 && recordings.every(({ state }) => state === 'recording'),
    );
  }

  async #forEachCall(visit: (id: string, call: number) => Promise<void>): Promise<void> {
    const left = this.#callIds.entries();
    const visitor = async (): Promise<void> => {
      for (const [call, id] of left) await visit(id, call);
    };
    await Promise.all(Array.from({ length: CALLS_AT_ONCE }, visitor));
  }
}

function recorderId(sink: number): string {
  return `sink-${sink}`;
}

function sinkOf(recorder: string | undefined): number | undefined {
  return recorder === undefined ? undefined : Number(recorder.slice('sink-'.length));
}
