import type { Allocation } from '../recording/interfaces.ts';
import type { Applicant } from './admission.ts';
import type { Candidate } from './candidate.ts';
import type { HealthRecord } from './health.ts';
import type { RecorderDefinition, RecorderStateName, RecorderView } from './recorder.ts';

/** All that the resource manager keeps of one recorder, and the plain data that others get to see of it. */
export interface KnownRecorder {
  definition: RecorderDefinition;
  state: RecorderStateName;
  health: HealthRecord;
  /** Record ids of the sessions on it now. */
  readonly sessions: Set<string>;
  /** Number of the choice that last fell on it. */
  lastChosen: number;
  /** Has said that it is about to go. */
  leaving: boolean;
}

export function takesSessions({ state, sessions, definition }: KnownRecorder): boolean {
  return state === 'up' && sessions.size < definition.capacity;
}

export function applicantOf({ definition, state, sessions }: KnownRecorder): Applicant {
  const { id, capacity, tenants, sites } = definition;
  return { id, state, sessions: sessions.size, capacity, tenants, sites };
}

export function candidateOf({ definition, sessions, lastChosen }: KnownRecorder): Candidate {
  const { id, zone, capacity, weight } = definition;
  return { id, zone, capacity, weight, sessions: sessions.size, lastChosen };
}

export function allocationOf(recordId: string, { definition }: KnownRecorder): Allocation {
  return { recordId, recorder: definition.id, uri: definition.uri, zone: definition.zone };
}

export function viewOf(recorder: KnownRecorder, affinities: number): RecorderView {
  const { id, uri, zone, capacity, weight, tenants, sites, pid } = recorder.definition;
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
    affinities,
    ...(pid === undefined ? {} : { pid }),
  };
}

export function withoutPid(definition: RecorderDefinition): RecorderDefinition {
  const { id, uri, zone, capacity, weight, state, tenants, sites } = definition;
  return { id, uri, zone, capacity, weight, state, tenants, sites };
}
