import type { SocketAddress } from '../../src/edge/types.ts';
import type { CallState } from '../../src/recording/call-state.ts';
import type { TandemProcess } from '../../test/support/tandem-process.ts';
import { loopbackIp, networks } from '../addresses.ts';
import type { LoadStream } from '../load-generator.ts';
import { mediaAddressOf, pcmuSdp } from '../sdp.ts';
import type { CallLedger } from './comparison.ts';

const CALLS_AT_ONCE = 16;
const PAGE = 1_000;
/** PCMU: a byte and a tick of the media clock for each sample. */
const SAMPLES_PER_MS = 8;

/** The calls of a trial over the HTTP API; streams 2n and 2n + 1 are those of call n's parties a and b. */
export class CallSet {
  readonly ids: readonly string[];
  readonly #tandem: TandemProcess;
  readonly #path: 'mediasoup' | 'direct';

  constructor(
    tandem: TandemProcess,
    options: {
      readonly prefix: string;
      readonly calls: number;
      readonly path: 'mediasoup' | 'direct';
    },
  ) {
    this.#tandem = tandem;
    this.#path = options.path;
    this.ids = Array.from({ length: options.calls }, (_, call) => `${options.prefix}-${call}`);
  }

  static streams(calls: number, seed: number, ptimeMs: number): LoadStream[] {
    return Array.from({ length: 2 * calls }, (_, stream) => ({
      ip: loopbackIp(networks.parties, stream),
      peer: stream ^ 1,
      ssrc: (seed * 65_536 + stream + 1) % 2 ** 32,
      payloadType: 0,
      ptimeMs,
      timestampStep: SAMPLES_PER_MS * ptimeMs,
      payloadBytes: SAMPLES_PER_MS * ptimeMs,
    }));
  }

  /** Resolves when both legs of all calls record, with where each stream is to be sent. */
  async place(streams: readonly LoadStream[], partyPort: number): Promise<SocketAddress[]> {
    const to: SocketAddress[] = [];
    await this.#forEach(async (id, call) => {
      const [ipA, ipB] = [streams[2 * call]!.ip, streams[2 * call + 1]!.ip];
      const { offer } = await this.#tandem.api<{ offer: string }>('POST', '/v1/calls', {
        id,
        offer: pcmuSdp({ ip: ipA, port: partyPort }),
        media: { path: this.#path },
      });
      const { answer } = await this.#tandem.api<{ answer: string }>(
        'POST',
        `/v1/calls/${id}/answer`,
        { answer: pcmuSdp({ ip: ipB, port: partyPort }) },
      );
      to[2 * call] = mediaAddressOf(answer);
      to[2 * call + 1] = mediaAddressOf(offer);
    });
    await this.#tandem.until(
      () => this.states(),
      (states) => states.every(isRecordedTwice),
    );
    return to;
  }

  /** Of the calls that are on, in the order of `ids`. */
  async states(): Promise<CallState[]> {
    const byId = new Map<string, CallState>();
    let after = '';
    for (let page = 0; page <= this.ids.length / PAGE; page++) {
      const { calls, next } = await this.#tandem.api<{ calls: CallState[]; next: string | null }>(
        'GET',
        `/v1/calls?limit=${PAGE}${after}`,
      );
      for (const call of calls) byId.set(call.id, call);
      if (next === null) break;
      after = `&after=${next}`;
    }
    return this.ids.map((id) => byId.get(id)!);
  }

  /** Resolves with the last state and ledger of each, in the order of `ids`. */
  async end(): Promise<{ states: CallState[]; ledgers: CallLedger[] }> {
    const states: CallState[] = [];
    const ledgers: CallLedger[] = [];
    await this.#forEach(async (id, call) => {
      states[call] = await this.#tandem.endCall(id);
      ledgers[call] = await this.#tandem.api('GET', `/v1/calls/${id}/ledger`);
    });
    return { states, ledgers };
  }

  async #forEach(visit: (id: string, call: number) => Promise<void>): Promise<void> {
    const left = this.ids.entries();
    const visitor = async (): Promise<void> => {
      for (const [call, id] of left) await visit(id, call);
    };
    await Promise.all(Array.from({ length: CALLS_AT_ONCE }, visitor));
  }
}

function isRecordedTwice({ recordings }: CallState): boolean {
  return recordings.length === 2 && recordings.every(({ state }) => state === 'recording');
}
