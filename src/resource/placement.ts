import { TandemError } from '../errors.ts';
import type { AllocationRequest } from '../recording/interfaces.ts';
import { hindrance, type AdmissionRequest, type Hindrance } from './admission.ts';
import type { Candidate } from './candidate.ts';
import { applicantOf, candidateOf, type KnownRecorder } from './known-recorder.ts';
import { select, type PolicyName } from './selector.ts';

/** Recorders named one by one when none could take a session. */
const hindrancesShownMax = 20;

type Recorders = ReadonlyMap<string, KnownRecorder>;

export interface Placement {
  readonly policy: PolicyName;
  readonly now: number;
  /** [0, 1) */
  readonly random: () => number;
}

/** The best of those that are able. */
export function choose(
  recorders: Recorders,
  request: AllocationRequest,
  placement: Placement,
): KnownRecorder | undefined {
  const able: Candidate[] = [];
  for (const recorder of recorders.values()) {
    if (hindrance(applicantOf(recorder, placement.now), request) === undefined) {
      able.push(candidateOf(recorder, placement.now));
    }
  }
  return selected(recorders, able, request, placement);
}

/** The best of those that stand by, and would be able if they were put to work. */
export function chooseStandby(
  recorders: Recorders,
  request: AllocationRequest,
  placement: Placement,
): KnownRecorder | undefined {
  const able: Candidate[] = [];
  for (const recorder of recorders.values()) {
    if (recorder.state !== 'standby') continue;
    const promoted = { ...applicantOf(recorder, placement.now), state: 'up' as const };
    if (hindrance(promoted, request) === undefined) able.push(candidateOf(recorder, placement.now));
  }
  return selected(recorders, able, request, placement);
}

/** NO_RECORDER, with what stands against each. */
export function noRecorder(known: Recorders, request: AllocationRequest, now: number): TandemError {
  const recorders = hindrances(known, request, now);
  return new TandemError('NO_RECORDER', 'no recorder can take the recording session', {
    details: {
      leg: request.leg,
      recorders: recorders.slice(0, hindrancesShownMax),
      recordersNotShown: Math.max(0, recorders.length - hindrancesShownMax),
    },
  });
}

function selected(
  recorders: Recorders,
  able: readonly Candidate[],
  { avoidZones }: AllocationRequest,
  { policy, random }: Placement,
): KnownRecorder | undefined {
  const chosen = select(able, { policy, avoidZones, random });
  return chosen === undefined ? undefined : recorders.get(chosen.id);
}

function hindrances(
  recorders: Recorders,
  request: AdmissionRequest,
  now: number,
): { recorder: string; reason: Hindrance }[] {
  return Array.from(recorders.values()).flatMap((recorder) => {
    const reason = hindrance(applicantOf(recorder, now), request);
    return reason === undefined ? [] : [{ recorder: recorder.definition.id, reason }];
  });
}
