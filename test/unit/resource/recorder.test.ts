import { describe, expect, it } from 'vitest';
import {
  transition,
  type AssignedState,
  type RecorderEvent,
  type RecorderStateName,
} from '../../../src/resource/recorder.ts';

describe('recorder state', () => {
  const cases: [RecorderStateName, RecorderEvent, AssignedState, RecorderStateName][] = [
    ['up', 'accused', 'up', 'suspect'],
    ['up', 'died', 'up', 'down'],
    ['up', 'answered', 'up', 'up'],
    ['up', 'assigned', 'draining', 'draining'],
    ['suspect', 'accused', 'up', 'suspect'],
    ['suspect', 'died', 'up', 'down'],
    ['suspect', 'answered', 'up', 'up'],
    ['suspect', 'assigned', 'up', 'suspect'],
    ['suspect', 'assigned', 'draining', 'draining'],
    ['down', 'accused', 'up', 'down'],
    ['down', 'died', 'up', 'down'],
    ['down', 'assigned', 'up', 'down'],
    ['down', 'answered', 'up', 'up'],
    ['down', 'answered', 'draining', 'draining'],
    ['down', 'answered', 'standby', 'standby'],
    ['draining', 'accused', 'draining', 'draining'],
    ['draining', 'died', 'draining', 'down'],
    ['draining', 'assigned', 'up', 'up'],
    ['standby', 'accused', 'standby', 'standby'],
    ['standby', 'died', 'standby', 'down'],
    ['standby', 'assigned', 'up', 'up'],
    ['standby', 'answered', 'standby', 'standby'],
  ];
  it.each(cases)('%s, %s (wanted %s), becomes %s', (from, event, assigned, to) => {
    expect(transition(from, event, assigned)).toBe(to);
  });
});
