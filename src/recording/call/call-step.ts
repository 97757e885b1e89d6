import { TandemError } from '../../errors.ts';
import type { ErrorCode } from '../../errors.ts';
import type { Marks } from '../account/records.ts';
import {
  beginWindow,
  endWindow,
  newWindow,
  pauseWindow,
  resumedWindow,
  resumeWindow,
} from '../account/window.ts';
import type { LegEvent } from '../leg/leg-events.ts';
import type { Ask, Asked, CallData, Doing, LegSummary, RecordingData } from './call-data.ts';
import type { CallEffect, CallEvent, Reply } from './call-events.ts';

/**
 * All that a call decides. Pure. What is asked of it is done one after the other; its recordings are its legs' business.
 *
 *     offered ──answer──► answered ⇄ reoffered
 *        └──────────end──────┴──────────┴──► ended
 */
export interface CallStep {
  readonly state: CallData;
  readonly effects: readonly CallEffect[];
}

type Draft = { -readonly [K in keyof CallData]: CallData[K] };

interface Turn {
  readonly call: Draft;
  readonly now: number;
  readonly effects: CallEffect[];
}

/** Requests that wait for the one that is being done. */
const queueMax = 64;

export function step(state: CallData, event: CallEvent, now: number): CallStep {
  const turn: Turn = { call: { ...state }, now, effects: [] };
  take(turn, event);
  return { state: turn.call, effects: turn.effects };
}

function take(turn: Turn, event: CallEvent): void {
  const { call, effects } = turn;
  const { doing } = call;
  switch (event.type) {
    case 'asked':
      // To end it may always be asked.
      if (call.queue.length >= queueMax && event.ask.what !== 'end') {
        const error = refusal('CALL_LIMIT', `${queueMax} requests of this call wait already`);
        effects.push({ do: 'fail', id: event.id, error });
        return;
      }
      call.queue = [...call.queue, askedBy(event)];
      next(turn);
      return;
    case 'marked':
      if (doing?.stage === 'resuming') resumed(turn, event.marks);
      return;
    case 'media-done':
      if (doing?.stage === 'media') mediaDone(turn, doing, event.sdp);
      return;
    case 'media-failed':
      if (doing?.stage === 'media') mediaFailed(turn, doing, event.error);
      return;
    case 'legs':
      if (doing !== undefined) legsChanged(turn, doing, event.legs);
      return;
    default:
      event satisfies never;
  }
}

function next(turn: Turn): void {
  const { call } = turn;
  if (call.doing !== undefined) return;
  const [asked, ...queue] = call.queue;
  if (asked === undefined) return;
  call.queue = queue;
  call.doing = { ...asked, stage: 'media' };
  if (call.state === 'ended') fail(turn, 'CALL_NOT_FOUND', 'the call has ended', { field: 'id' });
  else start(turn, call.doing);
}

function askedBy({ id, ask, at, marks }: Extract<CallEvent, { type: 'asked' }>): Asked {
  return { id, ask, at, marks };
}

function start(turn: Turn, doing: Doing): void {
  const { call } = turn;
  const { ask } = doing;
  const { state } = call;
  switch (ask.what) {
    case 'open':
      if (call.mode === 'off') media(turn, { do: 'open-media' });
      else reserve(turn);
      return;
    case 'answer':
      if (state === 'answered') {
        fail(turn, 'ANSWER_ALREADY_GIVEN', 'the call is answered', { field: 'answer' });
      } else {
        media(turn, { do: 'answer-media', sdp: ask.sdp });
      }
      return;
    case 'reoffer':
      if (state === 'offered') {
        const message = 'the first offer is not answered yet';
        fail(turn, 'ANSWER_BEFORE_OFFER', message, { field: 'offer' });
      } else {
        media(turn, { do: 'reoffer-media', party: ask.party, sdp: ask.sdp });
      }
      return;
    case 'reject':
      if (state !== 'reoffered') {
        fail(turn, 'CALL_STATE', 'no re-offer waits for an answer', { field: 'rejected', state });
      } else {
        media(turn, { do: 'reject-media' });
      }
      return;
    case 'record':
      record(turn, doing, ask.action);
      return;
    case 'end':
      end(turn, doing, ask.reason);
      return;
    default:
      ask satisfies never;
  }
}

// ---- media ----

function media(turn: Turn, effect: CallEffect): void {
  waitFor(turn, 'media');
  turn.effects.push(effect);
}

function mediaDone(turn: Turn, { ask, marks, at }: Doing, sdp: string): void {
  const { call, now } = turn;
  switch (ask.what) {
    case 'open':
      call.opened = true;
      break;
    case 'answer': {
      const isFirst = call.state === 'offered';
      call.state = 'answered';
      call.answeredAt ??= now;
      // Marked when the answer arrived: the parties' media may flow before the bridge is done with it.
      if (isFirst) begin(turn, marks, at);
      // The parties' answer does not wait for recorders.
      else if (running(call) !== undefined) legs(turn, { type: 'describe' });
      break;
    }
    case 'reoffer':
      call.state = 'reoffered';
      break;
    case 'reject':
      call.state = 'answered';
      break;
    case 'record':
    case 'end':
      break;
    default:
      ask satisfies never;
  }
  reply(turn, { sdp });
}

function mediaFailed(turn: Turn, { id, ask }: Doing, error: unknown): void {
  const { call, effects } = turn;
  if (ask.what === 'open') {
    if (call.recordings.length > 0) legs(turn, { type: 'stop', reason: 'not opened' });
    call.state = 'ended';
  }
  effects.push({ do: 'fail', id, error });
  done(turn);
}

// ---- recording ----

/** Holds a recorder for each leg. */
function reserve(turn: Turn): void {
  const { call, effects } = turn;
  const number = call.recordings.length + 1;
  const recording: RecordingData = {
    number,
    legs: call.mode === 'single' ? [1] : [1, 2],
    phase: 'reserved',
    startedAt: 0,
    window: newWindow,
  };
  call.recordings = [...call.recordings, recording];
  waitFor(turn, 'reserving');
  effects.push({ do: 'make-legs', recording: number, legs: recording.legs });
  legs(turn, { type: 'reserve' });
}

function reserved(turn: Turn, { ask, at, marks }: Doing, all: readonly LegSummary[]): void {
  const { call } = turn;
  const held = all.filter((leg) => leg.reserved).length;
  if (held === 0 || (held < all.length && call.scarce === 'refuse')) {
    legs(turn, { type: 'stop', reason: 'no recorder' });
    if (ask.what === 'open') call.state = 'ended';
    else call.recordings = call.recordings.slice(0, -1);
    fail(turn, 'NO_RECORDER', 'no recorder can take the call');
  } else if (ask.what === 'open') {
    media(turn, { do: 'open-media' });
  } else {
    begin(turn, marks, at);
    reply(turn, {});
  }
}

/** Records everything that arrives from then on. */
function begin(turn: Turn, marks: Marks, at: number): void {
  const recording = turn.call.recordings.at(-1);
  if (recording?.phase !== 'reserved') return;
  const window = beginWindow(recording.window, marks);
  change(turn, { phase: 'running', startedAt: at, window });
  legs(turn, { type: 'begin' });
}

function record(
  turn: Turn,
  doing: Doing,
  action: Extract<Ask, { what: 'record' }>['action'],
): void {
  const { call } = turn;
  const { state } = call;
  const recording = running(call);
  if (action === 'start') {
    if (recording !== undefined) reply(turn, {});
    else if (state !== 'offered') reserve(turn);
    else fail(turn, 'CALL_STATE', 'recording starts with the answer', { field: 'action', state });
    return;
  }
  if (recording === undefined) {
    fail(turn, 'RECORDING_OFF', 'the call is not being recorded', { field: 'action', state });
    return;
  }
  const { marks } = doing;
  switch (action) {
    case 'pause':
      // Marked first: what is withheld from then on is of the pause.
      change(turn, { window: pauseWindow(recording.window, marks) });
      waitFor(turn, 'settling');
      legs(turn, { type: 'pause' });
      return;
    case 'resume':
      change(turn, { window: resumeWindow(recording.window, marks) });
      waitFor(turn, 'settling');
      legs(turn, { type: 'resume' });
      return;
    case 'stop':
      stop(turn, recording, marks, 'stopped');
      return;
    default:
      action satisfies never;
  }
}

function resumed(turn: Turn, marks: Marks): void {
  const recording = running(turn.call);
  if (recording !== undefined) change(turn, { window: resumedWindow(recording.window, marks) });
  reply(turn, {});
}

/** What is in the ring still reaches the recorders. */
function stop(turn: Turn, recording: RecordingData, marks: Marks, reason: string): void {
  change(turn, { phase: 'ended', window: endWindow(recording.window, marks) });
  waitFor(turn, 'stopping');
  legs(turn, { type: 'stop', reason });
}

function end(turn: Turn, doing: Doing, reason: string): void {
  const { call } = turn;
  const recording = call.recordings.at(-1);
  if (recording === undefined || recording.phase === 'ended') close(turn);
  else stop(turn, recording, doing.marks, reason);
}

function close(turn: Turn): void {
  turn.call.state = 'ended';
  turn.effects.push({ do: 'close-media' });
  reply(turn, {});
}

function legsChanged(turn: Turn, doing: Doing, all: readonly LegSummary[]): void {
  switch (doing.stage) {
    case 'reserving':
      if (!all.some(({ looks }) => looks)) reserved(turn, doing, all);
      return;
    case 'settling':
      if (!all.every(({ settled }) => settled)) return;
      if (doing.ask.what === 'record' && doing.ask.action === 'resume') {
        waitFor(turn, 'resuming');
        turn.effects.push({ do: 'mark' });
      } else {
        reply(turn, {});
      }
      return;
    case 'stopping':
      if (!all.every(({ ended }) => ended)) return;
      if (turn.call.state !== 'offered') {
        turn.effects.push({ do: 'account', recording: turn.call.recordings.at(-1)?.number ?? 0 });
      }
      if (doing.ask.what === 'end') close(turn);
      else reply(turn, {});
      return;
    case 'media':
    case 'resuming':
      return;
    default:
      doing.stage satisfies never;
  }
}

// ---- small things ----

/** The recording that goes on, once the call is answered. */
export function running({ recordings }: Pick<CallData, 'recordings'>): RecordingData | undefined {
  const recording = recordings.at(-1);
  return recording?.phase === 'running' ? recording : undefined;
}

function change({ call }: Turn, changes: Partial<RecordingData>): void {
  const recording = call.recordings.at(-1);
  if (recording === undefined) return;
  call.recordings = [...call.recordings.slice(0, -1), { ...recording, ...changes }];
}

function waitFor({ call }: Turn, stage: Doing['stage']): void {
  if (call.doing !== undefined) call.doing = { ...call.doing, stage };
}

function legs({ effects }: Turn, event: LegEvent): void {
  effects.push({ do: 'legs', event });
}

function reply(turn: Turn, answer: Reply): void {
  if (turn.call.doing !== undefined) {
    turn.effects.push({ do: 'reply', id: turn.call.doing.id, reply: answer });
  }
  done(turn);
}

function fail(
  turn: Turn,
  code: ErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): void {
  const { doing } = turn.call;
  if (doing !== undefined) {
    turn.effects.push({ do: 'fail', id: doing.id, error: refusal(code, message, details) });
  }
  done(turn);
}

function done(turn: Turn): void {
  delete turn.call.doing;
  next(turn);
}

function refusal(
  code: ErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): TandemError {
  return new TandemError(code, message, { details });
}
