/** What control needs of whoever knows the recorders. */
export interface RecorderDirectory {
  list(): readonly RecorderState[];
  /** Adds a recorder or changes what is configured of one. Errors: INVALID_REQUEST. */
  put(change: RecorderChange): RecorderState;
  /** Errors: RECORDER_NOT_FOUND. */
  patch(id: string, change: { readonly state: AssignedState }): RecorderState;
}

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
  /** Record ids known to belong to it, those from before a restart included. */
  readonly affinities: number;
  /** Process id of an embedded recorder that runs. */
  readonly pid?: number;
}
