import type { Clock, Timer } from '../clock.ts';
import type { Allocation } from '../recording/interfaces.ts';
import type { Applicant } from './admission.ts';
import type { Candidate } from './candidate.ts';
import type { HealthRecord } from './health.ts';
import type { RecorderDefinition, RecorderStateName, RecorderView } from './recorder.ts';
import type { ReportingRecord } from './reporting.ts';
import type { Willingness } from './willingness.ts';

/** All that the resource manager keeps of one recorder, and the plain data that others get to see of it. */
export interface KnownRecorder {
  definition: RecorderDefinition;
  state: RecorderStateName;
  health: HealthRecord;
  willingness: Willingness;
  reporting: ReportingRecord;
  /** Record ids of the sessions on it now. */
  readonly sessions: Set<string>;
  /** Number of the choice that last fell on it. */
  lastChosen: number;
  /** Has said that it is about to go. */
  leaving: boolean;
  /** Until it is not busy any more. */
  busyTimer: Timer | undefined;
}

export function takesSessions(recorder: KnownRecorder, now: number): boolean {
  const { state, sessions, definition, willingness } = recorder;
  if (state !== 'up' || sessions.size >= definition.capacity) return false;
  return willingness.busyUntil(now) === undefined;
}

export function applicantOf(recorder: KnownRecorder, now: number): Applicant {
  const { id, capacity, tenants, sites } = recorder.definition;
  const { state, sessions, willingness } = recorder;
  const busy = willingness.busyUntil(now) !== undefined;
  return { id, state, busy, sessions: sessions.size, capacity, tenants, sites };
}

export function candidateOf(recorder: KnownRecorder, now: number): Candidate {
  const { id, zone, capacity, weight } = recorder.definition;
  const { sessions, lastChosen, willingness } = recorder;
  const reluctant = willingness.isReluctant(now);
  return { id, zone, capacity, weight, sessions: sessions.size, lastChosen, reluctant };
}

export function allocationOf(recordId: string, recorder: KnownRecorder): Allocation {
  const { id, uri, zone } = recorder.definition;
  return { recordId, recorder: id, uri, zone, ...reportsEvery(recorder) };
}

export function viewOf(recorder: KnownRecorder, clock: Clock): RecorderView {
  const { id, uri, zone, capacity, weight, tenants, sites, pid, reports } = recorder.definition;
  const busyUntil = recorder.willingness.busyUntil(clock.now());
  return {
    id,
    uri,
    zone,
    state: recorder.state,
    sessions: recorder.sessions.size,
    capacity,
    weight,
    tenants,
    sites,
    reports: reports ?? 'auto',
    ...reportsEvery(recorder),
    ...(busyUntil === undefined
      ? {}
      : { busyUntil: new Date(clock.wallOf(busyUntil)).toISOString() }),
    ...(pid === undefined ? {} : { pid }),
  };
}

export function withoutPid({ pid: _, ...definition }: RecorderDefinition): RecorderDefinition {
  return definition;
}

/** As in `Allocation`. */
export function reportsEveryMs({ definition, reporting }: KnownRecorder): number | undefined {
  const { reports = 'auto', reportsEveryMs: knownMs } = definition;
  return reporting.everyMs(reports, knownMs);
}

function reportsEvery(recorder: KnownRecorder): { reportsEveryMs?: number } {
  const everyMs = reportsEveryMs(recorder);
  return everyMs === undefined ? {} : { reportsEveryMs: everyMs };
}
