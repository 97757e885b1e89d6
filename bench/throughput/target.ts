import type { SocketAddress } from '../../src/edge/types.ts';
import type { LoadStream } from '../load-generator.ts';

/** The calls to carry: streams 2n and 2n+1 are those of call n's parties a and b. */
export interface CallPlan {
  readonly streams: readonly LoadStream[];
  /** Of every party, on its own address. */
  readonly partyPort: number;
  readonly sinkPorts: readonly number[];
}

/** A system under test. */
export interface Target {
  /** All processes whose CPU and memory count. */
  readonly pids: readonly number[];
  /** Sets the calls up, both legs and all. Resolves with where each stream is to be sent. */
  connect(plan: CallPlan): Promise<readonly SocketAddress[]>;
  /** By call, the sinks of leg 1 and leg 2; and how many legs were moved. */
  legs(): Promise<LegPlacement>;
  close(): Promise<void>;
}

export interface LegPlacement {
  /** Empty when the target records nothing. */
  readonly sinksByCall: readonly (readonly [leg1: number, leg2: number])[];
  readonly failovers: number;
}
