import type { SocketAddress } from '../../src/edge/types.ts';
import type { CallPlan, LegPlacement, Target } from './target.ts';

/** Nothing between the parties: shows what delay and loss are the measuring's own. */
export class NoTarget implements Target {
  readonly pids: readonly number[] = [];

  connect({ streams, partyPort }: CallPlan): Promise<readonly SocketAddress[]> {
    return Promise.resolve(streams.map(({ peer }) => ({ ip: streams[peer]!.ip, port: partyPort })));
  }

  legs(): Promise<LegPlacement> {
    return Promise.resolve({ sinksByCall: [], failovers: 0 });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
