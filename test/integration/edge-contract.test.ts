import { setTimeout as delay } from 'node:timers/promises';
import { describe } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { EdgeEvent, SocketAddress } from '../../src/edge/types.ts';
import type { Edge } from '../../src/edge/edge.ts';
import { edgeContract } from '../support/edge-contract.ts';
import type {
  ContractOptions,
  ContractPort,
  ContractRecorder,
  ContractRig,
} from '../support/edge-contract.ts';
import { createEdge, EdgeRig, type CreateEdge } from '../support/edge-rig.ts';
import { receiverReport, rtcpTypes, splitRtcp } from '../support/rtcp-fixtures.ts';
import { rtpRun, sequenceOf } from '../support/rtp-fixtures.ts';
import { createSyncEdge } from '../support/sync-edge.ts';
import { closedAddress } from '../support/udp-peer.ts';
import { extendedReport, lossRle } from '../support/xr.ts';

const byeType = 203;
/** RFC 3611 section 4.1.2. */
const bitsPerChunk = 15;
const reporter = 0x0bad_cafe;

/** The native edge, real sockets, real time. */
class NativeRig implements ContractRig {
  readonly #rig: EdgeRig;

  constructor({ ringSeconds = 10 }: ContractOptions, create: CreateEdge = createEdge) {
    const ring = { seconds: ringSeconds, bytes: 1_048_576 };
    this.#rig = new EdgeRig('127.0.0.1', { ring }, create);
  }

  get edge(): Edge {
    return this.#rig.edge;
  }

  get events(): readonly EdgeEvent[] {
    return this.#rig.events;
  }

  now(): number {
    return systemClock.now();
  }

  async port(): Promise<ContractPort> {
    const party = await this.#rig.peer();
    const { portId, rtp, ssrc } = await this.#rig.port(party);
    let sent = 0;
    const say = async (first: number, count: number, from = 1): Promise<void> => {
      // One after the other: datagrams that are sent at once may be read in any order.
      for (const packet of rtpRun(first, count, { ssrc: from })) await party.send(rtp, packet);
      sent += count;
      await this.#rig.until(
        () => this.#rig.streamReport(portId),
        ({ packets }) => packets === sent,
      );
    };
    return { portId, ssrc, say };
  }

  async recorder(): Promise<ContractRecorder> {
    const [rtp, rtcp] = [await this.#rig.peer(), await this.#rig.peer()];
    const leg = this.#rig.edge.legAddress(0, 0, 4);
    const lastSenderReport = (): number => {
      const report = rtcp.rtcp.flatMap(splitRtcp).findLast((packet) => packet[1] === 200);
      return report?.readUInt32BE(10) ?? 0;
    };
    return {
      rtp: rtp.address,
      rtcp: rtcp.address,
      get received() {
        return rtp.received.map(sequenceOf);
      },
      get byes() {
        return rtcp.rtcp.filter((compound) => rtcpTypes(compound).includes(byeType)).length;
      },
      report: (ssrc, highestSequence, cumulativeLost) => {
        const block = {
          ssrc,
          highestSequence,
          cumulativeLost,
          lastSenderReport: lastSenderReport(),
        };
        return rtcp.send(leg.rtcp, receiverReport(reporter, block));
      },
      reportRanges: (ssrc, begin, came) => {
        const block = { ssrc, highestSequence: begin + came.length - 1 };
        const chunks = Array.from({ length: Math.ceil(came.length / bitsPerChunk) }, (_, i) => ({
          bits: came.slice(i * bitsPerChunk, (i + 1) * bitsPerChunk),
        }));
        const losses = lossRle(ssrc, begin, begin + came.length, chunks);
        const compound = [receiverReport(reporter, block), extendedReport(reporter, losses)];
        return rtcp.send(leg.rtcp, Buffer.concat(compound));
      },
    };
  }

  nobody(): Promise<SocketAddress> {
    return closedAddress();
  }

  forbidden(): SocketAddress {
    // EACCES, as a firewall's EPERM.
    return { ip: '255.255.255.255', port: 9_000 };
  }

  async until(holds: () => boolean): Promise<void> {
    await this.#rig.until(holds, (held) => held);
  }

  pass(ms: number): Promise<void> {
    return delay(ms);
  }

  close(): Promise<void> {
    return this.#rig.close();
  }
}

describe('the native edge', () => {
  edgeContract((options) => Promise.resolve(new NativeRig(options)));
});

describe('the edge in a process of its own', () => {
  edgeContract((options) => Promise.resolve(new NativeRig(options, createSyncEdge)));
});
