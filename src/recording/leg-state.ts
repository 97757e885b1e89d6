import type { RecordingSessionStateName } from './call-state.ts';

/**
 * A leg's life. `failing-over` is selecting and inviting again after a recorder was lost; `failed` is a leg without a
 * recorder, which is tried again as long as the call lives.
 *
 *     selecting → inviting → recording ⇄ paused
 *         ▲          │           │         │
 *         │          ▼           ▼         ▼
 *       failed ◄──────────── failing-over ──► recording | paused
 *     any ──► ended
 */
export type LegEvent =
  | 'selected'
  | 'refused'
  | 'established'
  | 'pause'
  | 'resume'
  | 'recorder-lost'
  | 'no-recorder'
  | 'retry'
  | 'end';

export interface LegLife {
  readonly state: RecordingSessionStateName;
  /** What the operator asked for; holds through a failover. */
  readonly paused: boolean;
  /** Had a recorder before: a new attempt is a failover, not a beginning. */
  readonly established: boolean;
}

export const newLegLife: LegLife = { state: 'selecting', paused: false, established: false };

/** The only place where a leg changes state. An event that means nothing in a state leaves it as it is. */
export function transition(life: LegLife, event: LegEvent): LegLife {
  if (life.state === 'ended') return life;
  switch (event) {
    case 'selected':
      return life.state === 'selecting' ? { ...life, state: 'inviting' } : life;
    case 'refused':
      return life.state === 'inviting' ? { ...life, state: 'selecting' } : life;
    case 'established':
      return { ...life, state: life.paused ? 'paused' : 'recording', established: true };
    case 'pause':
      return { ...life, paused: true, state: life.state === 'recording' ? 'paused' : life.state };
    case 'resume':
      return { ...life, paused: false, state: life.state === 'paused' ? 'recording' : life.state };
    case 'recorder-lost':
      return isRecording(life) ? { ...life, state: 'failing-over' } : life;
    case 'no-recorder':
      return isRecording(life) ? life : { ...life, state: 'failed' };
    case 'retry':
      return life.state === 'failed'
        ? { ...life, state: life.established ? 'failing-over' : 'selecting' }
        : life;
    case 'end':
      return { ...life, state: 'ended' };
    default:
      return event satisfies never;
  }
}

export function isRecording(life: LegLife): boolean {
  return life.state === 'recording' || life.state === 'paused';
}
