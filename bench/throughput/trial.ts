// One trial, in a process of its own: the job comes as an argument, the result goes to the parent process.

import { pino } from 'pino';
import { loopbackIp, networks } from '../addresses.ts';
import { LoadGenerator } from '../load-generator.ts';
import type { LoadReport, LoadStream, PlaceReport } from '../load-generator.ts';
import { cpuBetween, cpuTime, memoryBytes } from '../process-usage.ts';
import { FloorTarget } from './floor-target.ts';
import type { TrialJob, TrialResult } from './job.ts';
import { NoTarget } from './no-target.ts';
import { TandemTarget } from './tandem-target.ts';
import type { LegPlacement, Target } from './target.ts';

const PAYLOAD_BYTES = 160;
const PTIME_MS = 20;
const TIMESTAMP_STEP = 160;

// Whoever asked is gone: so is everything that was started for it.
process.on('disconnect', () => process.exit(1));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(1));
}

const job = JSON.parse(process.argv[2] ?? '') as TrialJob;
const result = await runTrial(job);
process.send?.(result, () => process.exit(0));

async function runTrial(job: TrialJob): Promise<TrialResult> {
  const streams = Array.from({ length: 2 * job.calls }, (_, stream) => streamOf(stream, job.seed));
  const load = await LoadGenerator.create({
    program: job.programs.load,
    seed: job.seed,
    streams,
    sinks: networks.sinks.length,
  });
  const { partyPort, sinkPorts } = load;
  const target = await createTarget(job, streams, load);
  const memoryBefore = memoryBytes(target.pids);
  load.setDestinations(await target.connect({ streams, partyPort, sinkPorts }));
  const { pids } = target;
  load.start({ warmupMs: job.warmupMs, measureMs: job.measureMs });
  const sentBefore = await load.reached('measuring');
  const cpuBefore = cpuTime(pids);
  const measuredPackets = (await load.reached('measured')) - sentBefore;
  const cpu = cpuBetween(cpuBefore, cpuTime(pids));
  const memoryAfter = memoryBytes(pids);
  const report = await load.done();
  const placement = await target.legs();
  await target.close();
  await load.close();
  return {
    path: job.path,
    trial: job.trial,
    seed: job.seed,
    calls: job.calls,
    sentPackets: report.sentPackets,
    measuredPackets,
    cpuUsPerPacket: {
      total: cpu.totalUs / measuredPackets,
      user: cpu.userUs / measuredPackets,
      system: cpu.systemUs / measuredPackets,
      byThread: Object.fromEntries(
        Object.entries(cpu.byThreadUs).map(([name, us]) => [name, us / measuredPackets]),
      ),
    },
    ...sumsOf(report, placement),
    delayUs: report.delayUs,
    memoryBytesPerCall: pids.length === 0 ? null : (memoryAfter - memoryBefore) / job.calls,
    failovers: placement.failovers,
  };
}

function streamOf(stream: number, seed: number): LoadStream {
  return {
    ip: loopbackIp(networks.parties, stream),
    // The two streams of a call are neighbours.
    peer: stream ^ 1,
    ssrc: (seed * 65_536 + stream + 1) % 2 ** 32,
    payloadType: 0,
    ptimeMs: PTIME_MS,
    timestampStep: TIMESTAMP_STEP,
    payloadBytes: PAYLOAD_BYTES,
  };
}

async function createTarget(
  { path, programs }: TrialJob,
  streams: readonly LoadStream[],
  { partyPort, sinkPorts }: LoadGenerator,
): Promise<Target> {
  switch (path) {
    case 'none':
      return new NoTarget();
    case 'floor':
      return new FloorTarget(programs.floor);
    case 'mediasoup':
    case 'direct': {
      const logger = pino({ level: 'error' }, pino.destination(2));
      return TandemTarget.create({ path, streams, partyPort, sinkPorts, logger });
    }
  }
}

type Sums = Pick<
  TrialResult,
  | 'lostPackets'
  | 'duplicatePackets'
  | 'reorderedPackets'
  | 'damagedPackets'
  | 'misroutedPackets'
  | 'harness'
>;

function sumsOf(report: LoadReport, { sinksByCall }: LegPlacement): Sums {
  const places = [report.parties, ...report.sinks];
  const sum = (count: (place: PlaceReport) => number): number =>
    places.reduce((total, place) => total + count(place), 0);
  const lostOnLeg = (leg: 0 | 1): number | null =>
    sinksByCall.length === 0
      ? null
      : report.sentByStream.reduce((lost, sent, stream) => {
          const sink = report.sinks[sinksByCall[Math.floor(stream / 2)]![leg]]!;
          return lost + sent - sink.receivedByStream[stream]!;
        }, 0);
  const received = report.parties.receivedByStream.reduce((total, count) => total + count, 0);
  return {
    lostPackets: {
      party: report.sentPackets - received,
      leg1: lostOnLeg(0),
      leg2: lostOnLeg(1),
    },
    duplicatePackets: sum(({ duplicatePackets }) => duplicatePackets),
    reorderedPackets: sum(({ reorderedPackets }) => reorderedPackets),
    damagedPackets: sum(({ damagedPackets }) => damagedPackets),
    misroutedPackets: sum(({ misroutedPackets }) => misroutedPackets),
    harness: {
      sendErrors: report.sendErrors,
      kernelDrops: sum(({ kernelDrops }) => kernelDrops),
      lateUsMax: report.lateUsMax,
      lateUsMean: report.lateUsMean,
    },
  };
}
