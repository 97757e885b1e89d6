/** What control needs of whoever knows the recorders. */
export interface RecorderDirectory {
  list(): readonly RecorderState[];
  /** Adds a recorder or changes what is configured of one. Errors: INVALID_REQUEST, RECORDER_STATE. */
  put(change: RecorderChange): RecorderState;
  /** Errors: RECORDER_NOT_FOUND. */
  patch(id: string, change: { readonly state: AssignedState }): RecorderState;
}

/** Whether receiver reports are expected of it; `auto`: as it did in other sessions. */
type ReportsPolicy = 'auto' | 'expected' | 'none';

type AssignedState = 'up' | 'draining' | 'standby';

interface RecorderChange {
  readonly id: string;
  readonly uri: string;
  readonly zone: string;
  readonly capacity: number;
  readonly weight: number;
  readonly state?: AssignedState | undefined;
  readonly tenants: readonly string[];
  readonly sites: readonly string[];
  readonly reports: ReportsPolicy;
}

export interface RecorderState {
  readonly id: string;
  readonly uri: string;
  readonly zone: string;
  readonly state: 'up' | 'suspect' | 'down' | 'draining' | 'standby';
  readonly sessions: number;
  readonly capacity: number;
  readonly weight: number;
  readonly tenants: readonly string[];
  readonly sites: readonly string[];
  readonly reports: ReportsPolicy;
  /** 0: it does not; absent: not known yet. */
  readonly reportsEveryMs?: number;
  /** RFC 3339: until then it takes no sessions, as it said itself. */
  readonly busyUntil?: string;
  /** Process id of an embedded recorder that runs. */
  readonly pid?: number;
}
