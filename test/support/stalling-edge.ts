import { Edge } from '../../src/edge/edge.ts';
import type { SocketAddress, StreamReport } from '../../src/edge/types.ts';

// An edge with one port, in a process of its own, so that a test can stop it: asked and answered by IPC.

export type StallingEdgeQuestion = { readonly open: SocketAddress } | 'report' | 'close';
export type StallingEdgeAnswer = SocketAddress | StreamReport;

const min = 30_000 + 2 * Math.floor(Math.random() * 5_000);
const edge = Edge.create(
  {
    threads: 1,
    legHosts: ['127.0.0.1'],
    ports: { min, max: min + 99 },
    ring: { seconds: 10, bytes: 1_048_576 },
    catchUpRate: 4,
    rtcpIntervalMs: 60_000,
    cname: 'edge@test.invalid',
  },
  () => undefined,
);
const port = await edge.openPort({ shard: 0, host: '127.0.0.1', latch: 'announced' });

async function answer(question: StallingEdgeQuestion): Promise<StallingEdgeAnswer> {
  if (question === 'report') return edge.streamReports([port.portId])[0] ?? edge.closePort(0);
  if (question === 'close') return edge.closePort(port.portId);
  await edge.setRemote(port.portId, {
    rtp: question.open,
    rtcp: question.open,
    send: false,
    clockRates: {},
  });
  return port.rtp;
}

process.on('message', (question: StallingEdgeQuestion) => {
  void answer(question).then((answered) => process.send?.(answered));
});
process.on('disconnect', () => {
  process.exit();
});
