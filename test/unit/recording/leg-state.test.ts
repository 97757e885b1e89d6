import { describe, expect, it } from 'vitest';
import { newLegLife, transition } from '../../../src/recording/leg-state.ts';
import type { LegEvent, LegLife } from '../../../src/recording/leg-state.ts';

const after = (...events: LegEvent[]): LegLife => events.reduce(transition, newLegLife);

describe('a leg', () => {
  it.each<[LegEvent[], string]>([
    [[], 'selecting'],
    [['selected'], 'inviting'],
    [['selected', 'refused'], 'selecting'],
    [['selected', 'established'], 'recording'],
    [['selected', 'established', 'pause'], 'paused'],
    [['selected', 'established', 'pause', 'resume'], 'recording'],
    [['selected', 'established', 'recorder-lost'], 'failing-over'],
    [['selected', 'established', 'recorder-lost', 'established'], 'recording'],
    [['selected', 'established', 'recorder-lost', 'no-recorder'], 'failed'],
    [['selected', 'established', 'recorder-lost', 'no-recorder', 'retry'], 'failing-over'],
    [['no-recorder'], 'failed'],
    [['no-recorder', 'retry'], 'selecting'],
    [['selected', 'established', 'end'], 'ended'],
  ])('after %j is %s', (events, state) => {
    expect(after(...events).state).toBe(state);
  });

  it('stays paused through a failover', () => {
    const life = after('selected', 'established', 'pause', 'recorder-lost', 'established');
    expect(life.state).toBe('paused');
  });

  it('that was paused before it had a recorder begins paused', () => {
    expect(after('pause', 'selected', 'established').state).toBe('paused');
  });

  it('keeps its recorder when a hand-over finds no other', () => {
    expect(after('selected', 'established', 'no-recorder').state).toBe('recording');
  });

  it('is over for good once it has ended', () => {
    const events: LegEvent[] = ['selected', 'established', 'pause', 'recorder-lost', 'retry'];
    for (const event of events) expect(transition(after('end'), event).state).toBe('ended');
  });
});
