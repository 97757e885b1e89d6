import { describe } from 'vitest';
import type { EdgeEvent, SocketAddress } from '../../../src/edge/types.ts';
import { SimClock } from '../../../simulate/clock.ts';
import { SimEdge } from '../../../simulate/edge/sim-edge.ts';
import { SimNetwork } from '../../../simulate/network/sim-network.ts';
import type { RecorderReport } from '../../../simulate/packet.ts';
import { Random } from '../../../simulate/random.ts';
import { edgeContract } from '../../support/edge-contract.ts';
import type {
  ContractOptions,
  ContractPort,
  ContractRecorder,
  ContractRig,
} from '../../support/edge-contract.ts';

const stepMs = 5;
const stepsMax = 20_000;

/** A simulated edge in time that passes as it is waited. */
class SimRig implements ContractRig {
  readonly edge: SimEdge;
  readonly events: EdgeEvent[] = [];
  readonly #clock = new SimClock();
  readonly #network = new SimNetwork(this.#clock, new Random('contract'));
  #ports = 1_000;
  #id = 0;

  constructor({ ringSeconds = 10 }: ContractOptions) {
    this.edge = new SimEdge({
      clock: this.#clock,
      network: this.#network,
      host: '10.0.0.1',
      ringMs: ringSeconds * 1_000,
      catchUpRate: 4,
      rtcpIntervalMs: 60_000,
      straggleMs: 50,
      onEvent: (event) => {
        this.events.push(event);
      },
    });
  }

  now(): number {
    return this.#clock.now();
  }

  async port(): Promise<ContractPort> {
    const options = { shard: 0, host: '10.0.0.1', latch: 'announced' } as const;
    const { portId, ssrc } = await this.edge.openPort(options);
    const party = { ip: '192.0.2.1', port: 4_000 };
    const clockRates = { 0: 8_000 };
    await this.edge.setRemote(portId, { rtp: party, rtcp: party, send: true, clockRates });
    const say = async (first: number, count: number, from = 1): Promise<void> => {
      for (let sequence = first; sequence < first + count; sequence += 1) {
        this.#id += 1;
        const timestamp = sequence * 160;
        const packet = { ssrc: from, sequence, timestamp, payloadType: 0, id: this.#id };
        this.edge.receive(portId, packet);
        await this.pass(1);
      }
    };
    return { portId, ssrc, say };
  }

  recorder(): Promise<ContractRecorder> {
    const ip = '10.0.1.1';
    this.#ports += 2;
    const rtp = { ip, port: this.#ports };
    const rtcp = { ip, port: this.#ports + 1 };
    const received: number[] = [];
    let byes = 0;
    let stamp = 0;
    this.#network.bind(rtp, {
      receive: (message) => {
        if (message.kind === 'rtp') received.push(message.sequence);
      },
    });
    this.#network.bind(rtcp, {
      receive: (message) => {
        if (message.kind !== 'sr') return;
        ({ stamp } = message);
        if (message.bye) byes += 1;
      },
    });
    const tell = (report: Omit<RecorderReport, 'kind' | 'lastSenderReport'>): Promise<void> => {
      const to = this.edge.legAddress(0, 0).rtcp;
      this.#network.send(rtcp, to, { kind: 'rr', lastSenderReport: stamp, ...report });
      return this.pass(stepMs);
    };
    return Promise.resolve({
      rtp,
      rtcp,
      received,
      get byes() {
        return byes;
      },
      report: (ssrc, highestSequence, cumulativeLost) =>
        tell({ ssrc, highestSequence, cumulativeLost }),
      reportRanges: (ssrc, begin, came) => {
        const received = came.flatMap((was, at) => (was ? [{ first: at, last: at }] : []));
        const ranges = { begin, numbers: came.length, received };
        const highestSequence = begin + came.length - 1;
        return tell({ ssrc, highestSequence, cumulativeLost: 0, ranges });
      },
    });
  }

  nobody(): Promise<SocketAddress> {
    return Promise.resolve({ ip: '10.0.1.2', port: 9 });
  }

  forbidden(): SocketAddress {
    const address = { ip: '10.0.1.3', port: 9_000 };
    this.edge.setUnsendable(address.ip, 'EACCES');
    return address;
  }

  async until(holds: () => boolean): Promise<void> {
    for (let step = 0; !holds(); step += 1) {
      if (step > stepsMax) throw new Error('it never held');
      await this.pass(stepMs);
    }
  }

  async pass(ms: number): Promise<void> {
    await this.#clock.runUntil(this.#clock.now() + ms);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

describe('the simulated edge', () => {
  edgeContract((options) => Promise.resolve(new SimRig(options)));
});
