import { messageOf, TandemError } from '../errors.ts';
import type { NativeReads } from './addon.ts';
import { unpack } from './packed-ranges.ts';
import type {
  EdgeCounters,
  ForkReport,
  ForkSigns,
  RelayStall,
  SocketAddress,
  StreamReport,
} from './types.ts';
import { checkTime } from './validate.ts';

export interface AddressPair {
  readonly rtp: SocketAddress;
  readonly rtcp: SocketAddress;
}

/**
 * What an edge knows, read out of its shared memory: synchronous, without a visit to a thread, and as it was between two wake-ups
 * of that thread. Lists are of 1 to 64 ids; what comes back is in their order. All throw TandemError EDGE_FAILED for what does
 * not exist.
 */
export class EdgeReads {
  readonly #reads: NativeReads;

  protected constructor(reads: NativeReads) {
    this.#reads = reads;
  }

  /** The thread's shared loopback socket, which mediasoup transports connect to. */
  relayAddress(shard: number): SocketAddress {
    return guard(() => this.#reads.relayAddress(shard));
  }

  /** Where a thread's packets of one stream index come from: what the SIPREC offer announces for that stream. */
  legAddress(shard: number, streamIndex: number, family: 4 | 6): AddressPair {
    return guard(() => this.#reads.legAddress(shard, streamIndex, family));
  }

  /** By port, when its newest packet came: Unix ms, 0 before there is one. Of all ports, and cheap. */
  lastHeard(): Map<number, number> {
    const numbers = guard(() => this.#reads.lastHeard());
    const heard = new Map<number, number>();
    for (let at = 0; at + 1 < numbers.length; at += 2) {
      heard.set(numbers[at] as number, numbers[at + 1] as number);
    }
    return heard;
  }

  /** Of all threads: see `PortRoute`. */
  relayStalls(): RelayStall[] {
    return guard(() => this.#reads.relayStalls());
  }

  streamReports(portIds: readonly number[]): StreamReport[] {
    return guard(() => this.#reads.streamReports(portIds)).map(unpack<StreamReport>);
  }

  /**
   * Of each port, the oldest packet in its ring that arrived at or after `at` (Unix ms); one past the newest when none did;
   * undefined before the first packet.
   */
  sequencesAt(portIds: readonly number[], at: number): (number | undefined)[] {
    checkTime('at', at);
    return guard(() => this.#reads.sequencesAt(portIds, at));
  }

  forkReports(forkIds: readonly number[]): ForkReport[] {
    return guard(() => this.#reads.forkReports(forkIds)).map(unpack<ForkReport>);
  }

  /** Of all forks, in one call. */
  forkSigns(): ForkSigns[] {
    const numbers = guard(() => this.#reads.forkSigns());
    const all: ForkSigns[] = [];
    for (let at = 0; at < numbers.length; at += forkSignsNumbers) {
      all.push(readSigns(numbers.subarray(at, at + forkSignsNumbers)));
    }
    return all;
  }

  counters(): EdgeCounters {
    return guard(() => this.#reads.counters());
  }
}

const forkSignsNumbers = 11;

function readSigns(numbers: Float64Array): ForkSigns {
  const at = (index: number): number => numbers[index] ?? 0;
  return {
    forkId: at(0),
    reportedAt: at(1),
    receiverReports: at(2),
    fractionLost: at(3),
    sentSinceReport: at(4),
    sendingSince: at(5),
    refusedAt: at(6),
    doubtedAt: at(7),
    unsendableAt: at(8),
    live: at(9) === 1,
    settled: at(10) === 1,
  };
}

/** Runs it; what the addon throws becomes a TandemError. */
export function guard<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const known = code === 'NO_PORT' || code === 'EDGE_FULL' ? code : 'EDGE_FAILED';
    throw new TandemError(known, messageOf(cause), { cause });
  }
}
