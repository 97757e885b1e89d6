// One trial, in a process of its own: the job comes as an argument, the result goes to the parent process.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallState } from '../../src/recording/call-state.ts';
import { TandemProcess } from '../../test/support/tandem-process.ts';
import { LoadGenerator } from '../load-generator.ts';
import type { LoadReport } from '../load-generator.ts';
import { CallSet } from './call-set.ts';
import { compare, tally } from './comparison.ts';
import type { CallLedger } from './comparison.ts';
import { BEFORE_MS, faults } from './faults.ts';
import { Fleet } from './fleet.ts';
import { readFiles } from './ground-truth.ts';
import type { SessionFile } from './ground-truth.ts';
import { inject, recordersConcerned } from './injector.ts';
import type { Injection } from './injector.ts';
import type { RestartResult, TrialJob, TrialResult } from './job.ts';
import { legsOn, movedLegs } from './moved-legs.ts';
import { seededRandom } from './random.ts';
import { SentLog } from './sent-log.ts';
import { sampleTimeline } from './timeline.ts';

/** What a process that is killed had received and not sent yet does not count as lost on the legs. */
const IN_FLIGHT_MS = 20;
const RESTART_CALLS_MS = 1_500;
/** Past the end of media, so that the end of the calls is seen by a recorder that hangs, too. */
const HANG_EXTRA_MS = 600;

// Whoever asked is gone: so is everything that was started for it.
process.on('disconnect', () => process.exit(1));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(1));
}

const trialJob = JSON.parse(process.argv[2] ?? '') as TrialJob;
const result = await runTrial(trialJob);
// Started by hand, it shows its result.
if (process.send === undefined)
  process.stdout.write(
    `${JSON.stringify(result)}
`,
    () => process.exit(0),
  );
else process.send(result, () => process.exit(0));

/** What a trial has come to when its media is over. */
interface Run {
  readonly injection: Injection;
  readonly load: LoadReport;
  readonly ids: readonly string[];
  /** Before the fault. */
  readonly placed: readonly CallState[];
  /** After the calls' end; those before it, when they cannot be asked any more. */
  readonly states: readonly CallState[];
  readonly ledgers: readonly CallLedger[];
  readonly log: SentLog;
  readonly alarms: Readonly<Record<string, number>>;
  readonly restart: RestartResult | null;
  /** The second set of calls, after a restart. */
  readonly again: Run | null;
}

async function runTrial(job: TrialJob): Promise<TrialResult> {
  const startedAt = performance.now();
  const fault = faults[job.fault];
  const random = seededRandom(job.seed);
  const concerned = recordersConcerned(fault.recorders, Math.floor(random() * 4));
  const delayMs = random() * job.ptimeMs;
  const fleet = await Fleet.create({
    dir: job.dir,
    hosts: fault.network === 'hosts' ? { tag: job.tag, subnet: process.ppid % 250 } : undefined,
    onSmallDisk: job.fault === 'disk-full' ? concerned : [],
    takingOrders: ['refuse', 'refuse-host', 'sip-only'].includes(job.fault) ? concerned : [],
  });
  const tandem = await startTandem(job, fleet);
  const run = await runCalls(job, fleet, tandem, concerned, delayMs);
  // Every call has ended: its files are as whole as they will be.
  await fleet.kill();
  return judge(job, fleet, concerned, run, startedAt);
}

async function startTandem(job: TrialJob, fleet: Fleet): Promise<TandemProcess> {
  const tandem = await TandemProcess.start(
    {
      sip: { host: fleet.serveIp, port: 0 },
      media: { host: fleet.serveIp, path: job.path },
      calls: { endedKept: 2 * job.calls },
      recording: { failoversKept: 100_000 },
      recorders: { list: fleet.entries },
    },
    job.dir,
  );
  process.once('exit', () => {
    tandem.killAll();
  });
  return tandem;
}

async function startLoad(job: TrialJob, calls: CallSet, seed: number, logFile: string) {
  const streams = CallSet.streams(job.calls, seed, job.ptimeMs);
  const load = await LoadGenerator.create({
    program: job.loadProgram,
    seed,
    streams,
    sinks: 0,
    logFile,
  });
  load.setDestinations(await calls.place(streams, load.partyPort));
  return load;
}

async function runCalls(
  job: TrialJob,
  fleet: Fleet,
  tandem: TandemProcess,
  concerned: readonly number[],
  delayMs: number,
): Promise<Run> {
  const measureMs = job.afterMs ?? faults[job.fault].afterMs;
  const calls = new CallSet(tandem, { prefix: 'call', ...job });
  const logFile = join(job.dir, 'sent.log');
  const load = await startLoad(job, calls, job.seed, logFile);
  const placed = await calls.states();
  load.start({ warmupMs: BEFORE_MS, measureMs });
  await load.reached('measuring');
  await sleep(delayMs);
  const { fault, trial } = job;
  const hangMs = measureMs + HANG_EXTRA_MS;
  const injection = inject({ fault, trial, fleet, concerned, tandem, hangMs });
  if (job.fault === 'rm-restart') {
    await injection.rest;
    load.stop();
    const next = await startTandem(job, fleet);
    const readyMs = performance.timeOrigin + performance.now() - injection.at;
    const restart = { readyMs };
    const report = await load.done();
    const log = SentLog.read(logFile, 2 * job.calls, injection.at - IN_FLIGHT_MS);
    const again = await runAgain(job, next, injection);
    const { ids } = calls;
    const { alarms } = again;
    return {
      ...{ injection, load: report, ids, placed, states: placed, ledgers: [], log },
      ...{ alarms, restart, again },
    };
  }
  const report = await load.done();
  await injection.rest;
  const { states, ledgers } = await calls.end();
  const alarms = await alarmKinds(tandem);
  const log = SentLog.read(logFile, 2 * job.calls);
  return {
    ...{ injection, load: report, ids: calls.ids, placed, states, ledgers, log },
    ...{ alarms, restart: null, again: null },
  };
}

/** Calls that are placed after a restart. */
async function runAgain(job: TrialJob, tandem: TandemProcess, injection: Injection): Promise<Run> {
  const calls = new CallSet(tandem, { prefix: 'again', ...job });
  const logFile = join(job.dir, 'sent-again.log');
  const load = await startLoad(job, calls, job.seed + 1, logFile);
  const placed = await calls.states();
  load.start({ warmupMs: 0, measureMs: RESTART_CALLS_MS });
  const report = await load.done();
  const { states, ledgers } = await calls.end();
  const alarms = await alarmKinds(tandem);
  const log = SentLog.read(logFile, 2 * job.calls);
  return {
    ...{ injection, load: report, ids: calls.ids, placed, states, ledgers, log },
    ...{ alarms, restart: null, again: null },
  };
}

async function alarmKinds(tandem: TandemProcess): Promise<Record<string, number>> {
  const { alarms } = await tandem.api<{ alarms: { kind: string }[] }>('GET', '/v1/alarms');
  return tally(alarms.map(({ kind }) => kind));
}

function judge(
  job: TrialJob,
  fleet: Fleet,
  concerned: readonly number[],
  run: Run,
  startedAt: number,
): TrialResult {
  const { mustMove } = faults[job.fault];
  const { injection, load, restart } = run;
  const faulty = concerned.map((index) => fleet.recorders[index]!.id);
  const runs = run.again === null ? [run] : [run, run.again];
  const parts = runs.map((part) => {
    const { ids, placed, states, ledgers, log } = part;
    const sessions = sessionFiles(states, fleet);
    const files = readFiles(sessions, log);
    const onFaulty = legsOn(placed, faulty);
    const truth = compare({ callIds: ids, log, files, ledgers, concerned: onFaulty });
    const moved = movedLegs(states, { faultAt: injection.at, mustMove, faulty });
    return { part, sessions, files, onFaulty, truth, moved };
  });
  const sum = (count: (entry: (typeof parts)[number]) => number): number =>
    parts.reduce((total, entry) => total + count(entry), 0);
  const [first] = parts as [(typeof parts)[number]];
  const moved = parts.flatMap((entry) => entry.moved);
  const gone = new Set(
    moved.filter(({ isFalseAlarm, to }) => !isFalseAlarm && to !== null).map(legId),
  );
  const placedOn = first.truth.legs.filter((leg) => leg.concerned);
  // Media between the parties ends with tandem serve; the calls after it are judged.
  const heard = (run.again ?? run).load;
  const sent = heard.sentPackets;
  const received = heard.parties.receivedByStream.reduce((total, count) => total + count, 0);
  return {
    fault: job.fault,
    trial: job.trial,
    seed: job.seed,
    calls: job.calls,
    ptimeMs: job.ptimeMs,
    path: job.path,
    variant: injection.variant,
    faultyRecorders: faulty,
    faultAt: injection.at,
    sentPackets: sum(({ part }) => part.log.packets),
    moved,
    unmovedLegs: mustMove ? placedOn.filter((leg) => !gone.has(legId(leg))).length : 0,
    legs: parts.flatMap(({ truth }) => truth.legs),
    missingAfterMerge: sum(({ truth }) => truth.missingAfterMerge),
    files: {
      read: sum(({ files }) => files.read),
      packets: sum(({ files }) => files.packets),
      damagedPackets: sum(({ files }) => files.damagedPackets),
      foreignPackets: sum(({ files }) => files.foreignPackets),
      cut: sum(({ files }) => files.cut),
    },
    ledger: {
      lostPackets: sum(({ truth }) => truth.ledger.lostPackets),
      differenceMax: Math.max(...parts.map(({ truth }) => truth.ledger.differenceMax)),
      differenceMin: Math.min(...parts.map(({ truth }) => truth.ledger.differenceMin)),
      lostBeforeUsPackets: sum(({ truth }) => truth.ledger.lostBeforeUsPackets),
      lostInUsPackets: sum(({ truth }) => truth.ledger.lostInUsPackets),
      verdicts: parts.at(-1)!.truth.ledger.verdicts,
    },
    party: {
      lostPackets: sent - received,
      duplicatePackets: heard.parties.duplicatePackets,
      reorderedPackets: heard.parties.reorderedPackets,
      delayUs: heard.delayUs,
    },
    alarms: run.alarms,
    restart,
    timeline: sampleTimeline({
      moved: first.moved.filter(({ isFalseAlarm }) => !isFalseAlarm),
      callIds: run.ids,
      states: run.states,
      sessions: first.sessions,
      log: run.log,
      faultAt: injection.at,
    }),
    harness: {
      sendErrors: load.sendErrors,
      kernelDrops: load.parties.kernelDrops,
      lateUsMax: load.lateUsMax,
      elapsedMs: Math.round(performance.now() - startedAt),
    },
  };
}

function sessionFiles(states: readonly CallState[], fleet: Fleet): SessionFile[] {
  return states.flatMap(({ recordings }, call) =>
    recordings.flatMap(({ leg, sessions }) =>
      sessions.map(({ recorder, recordId }) => ({
        recordingsDir: fleet.recorders.find(({ id }) => id === recorder)!.recordingsDir,
        recordId,
        call,
        leg,
      })),
    ),
  );
}

function legId({ callId, leg }: { readonly callId: string; readonly leg: 1 | 2 }): string {
  return `${callId} ${leg}`;
}
