import type { MediaEdge } from '../src/media/media-edge.ts';
import type { Ledger } from '../src/recording/account/ledger.ts';
import type { Bridge, RecorderAllocator, SessionClient } from '../src/recording/interfaces.ts';
import type { StoreWriter } from '../src/store/store-writer.ts';
import type { DrivenCalls } from './call-driver.ts';
import type { SimClock } from './clock.ts';

/** What is written down of calls, of their media and of their sessions. */
export type Keeper = Pick<StoreWriter, 'put' | 'remove' | 'flush'>;

/** Faults that are put into the code on purpose, to see that they are found. */
export interface Sabotage {
  readonly edge?: (edge: MediaEdge, clock: SimClock) => MediaEdge;
  readonly bridge?: (bridge: Bridge, clock: SimClock) => Bridge;
  readonly allocator?: (allocator: RecorderAllocator, clock: SimClock) => RecorderAllocator;
  readonly client?: (client: SessionClient) => SessionClient;
  readonly keeper?: (keeper: Keeper, clock: SimClock) => Keeper;
  readonly ledger?: (ledger: Ledger) => Ledger;
  readonly calls?: (calls: DrivenCalls) => DrivenCalls;
}
