import type { Health } from './control/schemas/health.ts';
import type { ProcessState } from './control/schemas/process.ts';

/** Recorders that are named. */
const namedMax = 20;

export interface HealthSources {
  /** What others found. */
  readonly problems: readonly string[];
  readonly recorders: readonly {
    readonly id: string;
    readonly state: string;
    readonly busyUntil?: string;
  }[];
  readonly legsWithoutRecorder: number;
  readonly callsWithoutMedia: number;
  readonly processes: readonly ProcessState[];
}

/** What an operator would want to be woken for. */
export function healthOf(sources: HealthSources): Health {
  const { recorders, legsWithoutRecorder, callsWithoutMedia, processes } = sources;
  const problems = [...sources.problems];
  const up = recorders.filter(({ state }) => state === 'up').length;
  if (up === 0) problems.push('no recorder is up');
  else if (up === 1) problems.push('only one recorder is up: calls are recorded once');
  name(
    problems,
    'recorders down',
    recorders.filter(({ state }) => state === 'down'),
  );
  name(
    problems,
    'recorders suspected',
    recorders.filter(({ state }) => state === 'suspect'),
  );
  name(
    problems,
    'recorders that take no sessions for now, by their own word',
    recorders.filter(({ busyUntil }) => busyUntil !== undefined),
  );
  if (legsWithoutRecorder > 0) problems.push(`${legsWithoutRecorder} legs have no recorder`);
  if (callsWithoutMedia > 0) {
    problems.push(`${callsWithoutMedia} calls have no media of a party`);
  }
  return { status: problems.length === 0 ? 'ok' : 'degraded', problems, processes };
}

function name(problems: string[], what: string, which: readonly { readonly id: string }[]): void {
  if (which.length === 0) return;
  const named = which.slice(0, namedMax).map(({ id }) => id);
  const more = which.length > namedMax ? ` and ${which.length - namedMax} more` : '';
  problems.push(`${what}: ${named.join(', ')}${more}`);
}
