import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../src/errors.ts';
import { TandemProcess } from '../../test/support/tandem-process.ts';
import { seededRandom } from '../failover/random.ts';
import { planCall } from './call-plan.ts';
import { GarbageCollector } from './garbage-collector.ts';
import { RecorderKiller } from './recorder-killer.ts';
import { RecordingsSweeper } from './recordings-sweeper.ts';
import { SoakCall } from './soak-call.ts';
import type { CallResult } from './soak-call.ts';
import { sampleSystem } from './system-sample.ts';
import type { SystemSample } from './system-sample.ts';
import { SoakTally } from './soak-tally.ts';

export interface SoakOptions {
  readonly calls: number;
  readonly warmupCalls: number;
  readonly concurrency: number;
  /** Calls between two kills of a recorder. */
  readonly killEvery: number;
  readonly seed: number;
  /** Without a call, before a measurement: SIP keeps an INVITE's transaction for 32 s after its answer. */
  readonly restMs: number;
  /** Folder to work in: recordings, log. */
  readonly parentDir: string;
  /** Whether garbage is collected before memory is read. NODE_OPTIONS must have `inspectorOptions`. */
  readonly collectsGarbage: boolean;
  readonly onProgress: (progress: SoakProgress) => void;
}

export interface SoakProgress {
  readonly calls: number;
  readonly kills: number;
  readonly elapsedMs: number;
}

export interface SoakReport {
  readonly warm: SystemSample;
  readonly end: SystemSample;
  readonly tally: SoakTally;
  readonly kills: number;
  readonly recordingsRemoved: number;
  readonly elapsedMs: number;
}

const recorders = 4;
/** Calls at the end of either part, one after the other and without a kill, so that every recorder has worked. */
const settlingCalls = 16;
const readings = 4;
const readingMs = 500;
/** What is left of calls by then is left behind. */
const settleMsMax = 20_000;

/** A real `tandem serve` with its recorders, under short calls, in the middle of which recorders die. */
export class Soak {
  readonly #options: SoakOptions;
  readonly #tandem: TandemProcess;
  readonly #killer: RecorderKiller;
  readonly #sweeper: RecordingsSweeper;
  /** By process id. */
  readonly #collectors = new Map<number, GarbageCollector>();
  readonly #random: () => number;
  readonly #tally = new SoakTally();
  readonly #startedAt = performance.now();
  #placed = 0;

  private constructor(options: SoakOptions, tandem: TandemProcess, sweeper: RecordingsSweeper) {
    this.#options = options;
    this.#tandem = tandem;
    this.#sweeper = sweeper;
    this.#random = seededRandom(options.seed);
    this.#killer = new RecorderKiller(tandem, this.#random);
  }

  static async create(options: SoakOptions): Promise<Soak> {
    const dir = mkdtempSync(join(options.parentDir, 'tandem-soak-'));
    // Also when it is interrupted: serve ends by itself then.
    process.once('exit', () => {
      rmSync(dir, { recursive: true, force: true });
    });
    const recordings = join(dir, 'recordings');
    mkdirSync(recordings);
    const tandem = await TandemProcess.start(
      {
        media: { ports: { min: 10_000, max: 11_999 } },
        recorders: {
          embedded: {
            count: recorders,
            dir: recordings,
            zones: ['east', 'west'],
            ports: { min: 12_000, max: 15_999 },
            // Days pass in minutes here: what dies every few seconds should be there again as soon.
            restart: { maxMs: 500 },
          },
        },
        // Full after the warm-up, so that what is kept on purpose does not look like a leak.
        calls: { endedKept: 100 },
        recording: { failoversKept: 100 },
        alarms: { kept: 100 },
        log: { level: 'warn' },
      },
      dir,
    );
    return new Soak(options, tandem, new RecordingsSweeper(recordings));
  }

  async run(): Promise<SoakReport> {
    const { calls, warmupCalls } = this.#options;
    this.#sweeper.start();
    await this.#place(warmupCalls);
    const warm = await this.#settled();
    await this.#place(calls);
    const end = await this.#settled();
    return {
      warm,
      end,
      tally: this.#tally,
      kills: this.#killer.kills,
      recordingsRemoved: this.#sweeper.removed,
      elapsedMs: performance.now() - this.#startedAt,
    };
  }

  async close(): Promise<void> {
    await this.#sweeper.close();
    await this.#tandem.dispose();
  }

  /** In batches of which each has one kill somewhere in the middle. */
  async #place(count: number): Promise<void> {
    const { killEvery } = this.#options;
    for (let done = 0; done < count; done += killEvery) {
      await this.#killer.ready();
      await this.#batch(Math.min(killEvery, count - done), true);
      this.#options.onProgress({
        calls: this.#placed,
        kills: this.#killer.kills,
        elapsedMs: performance.now() - this.#startedAt,
      });
    }
    await this.#killer.allUp();
    await this.#batch(settlingCalls, false);
  }

  async #batch(count: number, withKill: boolean): Promise<void> {
    const killAt = withKill ? Math.floor(this.#random() * count) : count;
    let begun = 0;
    const caller = async (): Promise<void> => {
      while (begun < count) {
        const isKill = begun === killAt;
        begun += 1;
        if (isKill) await this.#killer.kill();
        await this.#call();
      }
    };
    await Promise.all(Array.from({ length: this.#options.concurrency }, caller));
  }

  async #call(): Promise<void> {
    this.#placed += 1;
    const plan = planCall(this.#placed, this.#random);
    let result: CallResult;
    try {
      result = await SoakCall.run(this.#tandem, plan);
    } catch (error) {
      this.#tally.failed(plan, messageOf(error));
      return;
    }
    this.#tally.add(result);
  }

  /** After the rest, and when nothing is on any more, if that comes; of several readings the one with the least memory. */
  async #settled(): Promise<SystemSample> {
    await pass(this.#options.restMs);
    let sample = await this.#sample();
    let steady = 0;
    const until = performance.now() + settleMsMax;
    while (performance.now() < until && steady < readings) {
      await pass(readingMs);
      const next = await this.#sample();
      const isLower = next.timers < sample.timers || next.serve.fds < sample.serve.fds;
      steady = isLower || isBusy(next) ? 0 : steady + 1;
      const isLess = next.serve.memoryBytes < sample.serve.memoryBytes;
      sample = isLower || isLess || isBusy(sample) ? next : sample;
    }
    return sample;
  }

  async #collectGarbage(): Promise<void> {
    for (const { pid, role } of await this.#tandem.processes()) {
      if (role === 'worker') continue;
      let collector = this.#collectors.get(pid);
      if (collector === undefined) {
        collector = await GarbageCollector.attach(this.#tandem, pid);
        this.#collectors.set(pid, collector);
      }
      await collector.collect();
    }
  }

  async #sample(): Promise<SystemSample> {
    if (this.#options.collectsGarbage) await this.#collectGarbage();
    return sampleSystem(this.#tandem, await this.#sweeper.sweep());
  }
}

/** Something of a call is still there. */
function isBusy(sample: SystemSample): boolean {
  return (
    sample.calls +
      sample.recordingSessions +
      sample.ports +
      sample.forks +
      sample.recorderSessions +
      sample.unfinishedRecordings >
    0
  );
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
