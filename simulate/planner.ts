import type { ActionPlan, CallPlan, FaultPlan, Plan, SpeechPlan } from './plan.ts';
import { planDeaths } from './death-planner.ts';
import { planClock, planFault } from './fault-planner.ts';
import { Random } from './random.ts';
import type { SimRecorderOptions } from './recorder/sim-recorder.ts';
import { planQuirks } from './quirk-planner.ts';

/** How eventful a seed is. */
type Temper = 'quiet' | 'one fault' | 'eventful' | 'stormy';

/** What happens in a seed; the same every time. */
export function planOf(seed: number): Plan {
  const random = new Random(`plan ${seed}`);
  const temper = random.weighted<Temper>({
    quiet: 8,
    'one fault': 30,
    eventful: 45,
    stormy: 17,
  });
  const isQuiet = temper === 'quiet';
  const durationMs = random.weighted({ short: 65, long: 28, veryLong: 7 });
  const lengthMs = { short: 12_000, long: 30_000, veryLong: 75_000 }[durationMs];
  const recorders = planRecorders(random.stream('recorders'), isQuiet);
  const calls = planCalls(random.stream('calls'), temper, lengthMs);
  const faults = planFaults(random.stream('faults'), temper, recorders, lengthMs);
  return {
    seed,
    durationMs: lengthMs,
    ringSeconds: isQuiet ? 10 : random.pick([1, 3, 10, 10, 10]),
    replayOverlapMs: random.pick([0, 200, 200, 1_000]),
    probeEveryMs: random.pick([500, 1_000, 2_000, 2_000]),
    recorders,
    delayMs: random.pick([0.2, 1, 1, 5, 20]),
    jitterMs: isQuiet ? 0 : random.pick([0, 0, 0, 5, 30]),
    sipLoss: isQuiet ? 0 : random.pick([0, 0, 0, 0.02]),
    calls,
    faults,
    deaths: planDeaths(random.stream('deaths'), calls, faults, lengthMs),
    isQuiet: isQuiet && recorders.every(({ reports }) => reports === 'ranges'),
  };
}

function planRecorders(random: Random, isQuiet: boolean): SimRecorderOptions[] {
  const count = random.pick([2, 3, 3, 4, 5]);
  const zones = random.pick([['east', 'west'], ['east']]);
  return Array.from({ length: count }, (_, index) => ({
    id: `r${index + 1}`,
    ip: `10.0.1.${index + 1}`,
    zone: zones[index % zones.length] as string,
    transport: random.pick(['tcp', 'tcp', 'udp'] as const),
    reports: isQuiet
      ? random.pick(['ranges', 'ranges', 'ranges', 'ranges', 'counts'] as const)
      : random.pick(['ranges', 'ranges', 'counts', 'counts', 'none'] as const),
    reportEveryMs: random.pick([250, 500, 500, 1_000, 5_000]),
  }));
}

function planCalls(random: Random, temper: Temper, lengthMs: number): CallPlan[] {
  const count = random.pick([1, 1, 1, 2, 3]);
  return Array.from({ length: count }, (_, index) => {
    const own = random.stream(`call ${index}`);
    const at = own.between(50, Math.min(3_000, lengthMs / 4));
    const early = own.pick([0, 10, 200, 2_000]);
    const endAt = own.chance(0.25) ? own.between(at + early, lengthMs) : lengthMs;
    return {
      id: `c${index + 1}`,
      at,
      answerAfterMs: own.between(10, 500),
      endAt,
      speech: {
        a: planSpeech(own.stream('a'), temper, lengthMs),
        b: planSpeech(own.stream('b'), temper, lengthMs),
      },
      actions: temper === 'quiet' ? [] : planActions(own, temper, endAt - at),
    };
  });
}

function planSpeech(random: Random, temper: Temper, lengthMs: number): SpeechPlan {
  const bad = temper !== 'quiet' && random.chance(0.4);
  return {
    packetMs: random.pick([10, 20, 40, 40, 60, 60, 60, 60]),
    afterMs: bad && random.chance(0.12) ? Infinity : random.pick([0, 20, 300]),
    lost: bad ? random.pick([0, 0, 0.02, 0.3, 0.6]) : 0,
    doubled: bad ? random.pick([0, 0, 0.02, 0.2]) : 0,
    late: bad ? random.pick([0, 0, 0.02, 0.1]) : 0,
    quirks: temper === 'quiet' ? [] : planQuirks(random, lengthMs),
  };
}

function planActions(random: Random, temper: Temper, lengthMs: number): ActionPlan[] {
  const count = random.between(0, temper === 'stormy' ? 8 : 4);
  const kinds = {
    pause: 5,
    resume: 5,
    stop: 1,
    start: 1,
    reoffer: 2,
    hold: 1,
    unhold: 1,
    rejectReoffer: 1,
  };
  const actions: ActionPlan[] = Array.from({ length: count }, () => ({
    at: random.between(200, Math.max(300, lengthMs)),
    kind: random.weighted(kinds),
  }));
  // Pauses that end are the ones that are worth most.
  for (const { at, kind } of [...actions]) {
    if (kind === 'pause') actions.push({ at: at + random.between(5, 4_000), kind: 'resume' });
    if (kind === 'stop') actions.push({ at: at + random.between(5, 4_000), kind: 'start' });
  }
  return actions;
}

function planFaults(
  random: Random,
  temper: Temper,
  recorders: readonly SimRecorderOptions[],
  lengthMs: number,
): FaultPlan[] {
  const count = {
    quiet: 0,
    'one fault': 1,
    eventful: random.between(2, 4),
    stormy: random.between(4, 10),
  }[temper];
  // Whoever sets the clock does nothing wrong.
  if (temper === 'quiet') {
    return random.chance(0.7) ? [planClock(random, random.between(0, lengthMs))] : [];
  }
  const faults: FaultPlan[] = [];
  // In the long ones what is over leaves time to see what becomes of it.
  const share = lengthMs > 60_000 ? 0.4 : 1;
  for (let index = 0; index < count; index += 1) {
    const own = random.stream(`fault ${index}`);
    const before = faults.at(-1);
    // Two at once, or close together, find more than two far apart.
    const at =
      before !== undefined && own.chance(0.4)
        ? before.at + own.pick([0, 1, 20, 150, 500])
        : own.between(0, lengthMs * share);
    const recorder = own.pick(recorders).id;
    faults.push(...planFault(own, recorder, at));
  }
  return faults;
}
