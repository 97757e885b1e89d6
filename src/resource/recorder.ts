/**
 * One recorder as the resource manager sees it. What the operator assigned (`up`, `draining`, `standby`) and what was
 * found out about it are joined into one state, which is what the API shows.
 */

export type RecorderStateName = 'up' | 'suspect' | 'down' | 'draining' | 'standby';

/** What an operator or the configuration may ask for. */
export type AssignedState = 'up' | 'draining' | 'standby';

export type RecorderEvent =
  /** Something spoke against it: a session failed on it, or it refuses work. */
  | 'accused'
  /** It does not answer. */
  | 'died'
  /** It answers, and nothing is held against it. */
  | 'answered'
  /** The assigned state was changed. */
  | 'assigned';

/** Whether receiver reports are expected of a recorder; `auto`: as it did in other sessions. */
export type ReportsPolicy = 'auto' | 'expected' | 'none';

/** What is configured of a recorder. An empty `tenants` or `sites` means: everybody's. */
export interface RecorderDefinition {
  readonly id: string;
  readonly uri: string;
  readonly zone: string;
  readonly capacity: number;
  readonly weight: number;
  readonly state: AssignedState;
  readonly tenants: readonly string[];
  readonly sites: readonly string[];
  /** Absent: `auto`. */
  readonly reports?: ReportsPolicy;
  /** How often it reports, where that is known and need not be learnt. */
  readonly reportsEveryMs?: number;
  /** Process id of an embedded recorder. */
  readonly pid?: number;
}

/** A recorder as the API shows it. */
export interface RecorderView {
  readonly id: string;
  readonly uri: string;
  readonly zone: string;
  readonly state: RecorderStateName;
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
  readonly pid?: number;
}

/** The one place where a recorder's state changes. `assigned` is what the operator wants, after the event. */
export function transition(
  state: RecorderStateName,
  event: RecorderEvent,
  assigned: AssignedState,
): RecorderStateName {
  switch (state) {
    case 'up':
      switch (event) {
        case 'accused':
          return 'suspect';
        case 'died':
          return 'down';
        case 'answered':
        case 'assigned':
          return assigned;
        default:
          return unreachable(event);
      }
    case 'suspect':
      switch (event) {
        case 'accused':
          return 'suspect';
        case 'died':
          return 'down';
        case 'answered':
          return assigned;
        case 'assigned':
          // Being wanted does not clear it of the suspicion.
          return assigned === 'up' ? 'suspect' : assigned;
        default:
          return unreachable(event);
      }
    case 'down':
      switch (event) {
        case 'accused':
        case 'died':
        case 'assigned':
          return 'down';
        case 'answered':
          return assigned;
        default:
          return unreachable(event);
      }
    case 'draining':
    case 'standby':
      switch (event) {
        case 'died':
          return 'down';
        case 'accused':
          // It takes no new sessions as it is.
          return state;
        case 'answered':
        case 'assigned':
          return assigned;
        default:
          return unreachable(event);
      }
    default:
      return unreachable(state);
  }
}

function unreachable(value: never): never {
  throw new Error(`unknown: ${String(value)}`);
}
