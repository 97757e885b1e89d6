import type { AllocationRequest } from '../recording/interfaces.ts';
import type { RecorderStateName } from './recorder.ts';

/** Why a recorder cannot take a session. */
export type Hindrance =
  'excluded' | 'suspect' | 'down' | 'draining' | 'standby' | 'busy' | 'full' | 'tenant' | 'site';

export interface Applicant {
  readonly id: string;
  readonly state: RecorderStateName;
  /** It said that it takes none for now. */
  readonly busy: boolean;
  readonly sessions: number;
  readonly capacity: number;
  readonly tenants: readonly string[];
  readonly sites: readonly string[];
}

export type AdmissionRequest = Pick<AllocationRequest, 'tenant' | 'site' | 'excludeRecorders'>;

/** Is this recorder able? Undefined: it is. */
export function hindrance(recorder: Applicant, request: AdmissionRequest): Hindrance | undefined {
  if (request.excludeRecorders.includes(recorder.id)) return 'excluded';
  if (!serves(recorder.tenants, request.tenant)) return 'tenant';
  if (!serves(recorder.sites, request.site)) return 'site';
  if (recorder.state !== 'up') return recorder.state;
  if (recorder.busy) return 'busy';
  return recorder.sessions >= recorder.capacity ? 'full' : undefined;
}

function serves(limits: readonly string[], wanted: string | undefined): boolean {
  return limits.length === 0 || (wanted !== undefined && limits.includes(wanted));
}
