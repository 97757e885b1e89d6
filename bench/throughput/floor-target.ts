import type { SocketAddress } from '../../src/edge/types.ts';
import { loopbackIp, networks } from '../addresses.ts';
import { LineProcess } from '../line-process.ts';
import type { CallPlan, LegPlacement, Target } from './target.ts';

/** The bare fork, native/floor.c: the yardstick. */
export class FloorTarget implements Target {
  readonly #process: LineProcess;
  #calls = 0;

  constructor(program: string) {
    this.#process = new LineProcess('floor', program);
  }

  get pids(): readonly number[] {
    return [this.#process.pid];
  }

  async connect({ streams, partyPort, sinkPorts }: CallPlan): Promise<readonly SocketAddress[]> {
    this.#calls = streams.length / 2;
    const lines = streams.map(({ ip, peer }, stream) => {
      const legs = networks.sinks.map(
        (network, sink) => `${loopbackIp(network, stream)} ${sinkPorts[sink]!}`,
      );
      return `port ${loopbackIp(networks.floor, stream)} ${peer} ${ip} ${partyPort} ${legs.join(' ')}`;
    });
    this.#process.send(...lines, 'run');
    const { ports } = await this.#process.next<{ ports: number[] }>('bound');
    return ports.map((port, stream) => ({ ip: loopbackIp(networks.floor, stream), port }));
  }

  legs(): Promise<LegPlacement> {
    const sinksByCall = Array.from({ length: this.#calls }, () => [0, 1] as const);
    return Promise.resolve({ sinksByCall, failovers: 0 });
  }

  close(): Promise<void> {
    return this.#process.close();
  }
}
