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
import type { RecordingAction } from '../call-state.ts';
import type { LegEvent } from '../leg/leg-events.ts';
import type { Asked, CallData, Doing, LegSummary, RecordingData } from './call-data.ts';
import type { CallEffect, CallEvent, Reply } from './call-events.ts';
import { negotiated } from './to-send.ts';

/**
 * All that a call decides. Pure. What is asked of it is done one after the other; its recordings are its legs' business. What
 * is asked of a recording that runs is told to its legs at once, in the order in which it was asked, whatever its answer has to
 * wait for: what is said in a pause goes nowhere.
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
  tellAhead(turn);
  return { state: turn.call, effects: turn.effects };
}

function take(turn: Turn, event: CallEvent): void {
  const { doing } = turn.call;
  switch (event.type) {
    case 'asked':
      asked(turn, askedBy(event));
      return;
    case 'marked':
      if (doing?.stage === 'resuming') resumed(turn, event.marks);
      return;
    case 'media-done':
      if (doing?.stage === 'media') mediaDone(turn, doing, event);
      return;
    case 'media-failed':
      if (doing?.stage === 'media') mediaFailed(turn, doing, event.error);
      return;
    case 'media-closed':
      if (doing?.stage === 'closing') closed(turn);
      return;
    case 'adopted':
      adopted(turn);
      return;
    case 'legs':
      tellStopped(turn, event.legs);
      if (doing !== undefined) legsChanged(turn, doing, event.legs);
      return;
    default:
      event satisfies never;
  }
}

function asked(turn: Turn, one: Asked): void {
  const { call, effects } = turn;
  if (call.state === 'ended' || [call.doing, ...call.queue].some((it) => it?.ask.what === 'end')) {
    effects.push({ do: 'fail', id: one.id, error: hasEnded() });
  } else if (one.ask.what === 'end') {
    // To end it may always be asked, and what waits has no call any more.
    for (const { id } of call.queue) effects.push({ do: 'fail', id, error: hasEnded() });
    call.queue = [one];
  } else if (call.queue.length >= queueMax) {
    const error = refusal('CALL_LIMIT', `${queueMax} requests of this call wait already`);
    effects.push({ do: 'fail', id: one.id, error });
  } else {
    call.queue = [...call.queue, one];
  }
  next(turn);
}

function next(turn: Turn): void {
  const { call } = turn;
  if (call.doing !== undefined) return;
  const [first, ...queue] = call.queue;
  if (first === undefined) return;
  call.queue = queue;
  call.doing = { ...first, stage: 'media' };
  if (call.state === 'ended') failWith(turn, hasEnded());
  else start(turn, call.doing);
}

/** Of what waits, what concerns a recording that runs: in its order, up to what decides whether there is one. */
function tellAhead(turn: Turn): void {
  const { call } = turn;
  const isTold = (asked: Asked): boolean => {
    const { ask, marks } = asked;
    const recording = running(call);
    if (asked.isTold === true || recording === undefined) return asked.isTold === true;
    if (ask.what === 'record') tell(turn, recording, ask.action, marks);
    else if (ask.what === 'end') tellStop(turn, recording, ask.reason, marks);
    return ask.what === 'record' || ask.what === 'end';
  };
  call.queue = call.queue.map((asked) => (isTold(asked) ? { ...asked, isTold: true } : asked));
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

/** Nobody waits for the answer any more; that it is done is owed to whoever asked for it. */
function adopted(turn: Turn): void {
  const { doing } = turn.call;
  if (doing === undefined) {
    // A pause may wait for the legs, whether or not somebody waits for the pause.
    turn.effects.push({ do: 'see-legs' });
    return;
  }
  switch (doing.stage) {
    case 'media':
      start(turn, doing);
      return;
    case 'reserving':
    case 'settling':
    case 'stopping':
      seeLegs(turn, doing.stage);
      return;
    case 'resuming':
      turn.effects.push({ do: 'mark' });
      return;
    case 'closing':
      turn.effects.push({ do: 'close-media' });
      return;
    default:
      doing.stage satisfies never;
  }
}

// ---- media ----

function media(turn: Turn, effect: CallEffect): void {
  waitFor(turn, 'media');
  turn.effects.push(effect);
}

function mediaDone(
  turn: Turn,
  { ask, marks, at }: Doing,
  { sdp, sends }: Extract<CallEvent, { type: 'media-done' }>,
): void {
  const { call, now } = turn;
  switch (ask.what) {
    case 'open':
      call.opened = true;
      break;
    case 'answer': {
      const isFirst = call.state === 'offered';
      call.state = 'answered';
      call.answeredAt ??= now;
      call.toSend = negotiated(call.toSend, sends, now);
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

function record(turn: Turn, { marks, isTold }: Doing, action: RecordingAction): void {
  const { call } = turn;
  const { state } = call;
  const recording = running(call);
  if (isTold !== true && recording === undefined) {
    if (action !== 'start') {
      fail(turn, 'RECORDING_OFF', 'the call is not being recorded', { field: 'action', state });
    } else if (state === 'offered') {
      fail(turn, 'CALL_STATE', 'recording starts with the answer', { field: 'action', state });
    } else {
      reserve(turn);
    }
    return;
  }
  if (isTold !== true && recording !== undefined) tell(turn, recording, action, marks);
  if (action === 'start') reply(turn, {});
  else seeLegs(turn, action === 'stop' ? 'stopping' : 'settling');
}

/** What is asked of a recording that runs, to its legs. */
function tell(turn: Turn, recording: RecordingData, action: RecordingAction, marks: Marks): void {
  const { window } = recording;
  switch (action) {
    case 'start':
      return;
    case 'pause':
      // Marked first: what is withheld from then on is of the pause.
      change(turn, { window: pauseWindow(window, marks), isPausing: true });
      legs(turn, { type: 'pause' });
      return;
    case 'resume':
      change(turn, { window: resumeWindow(window, marks), isPausing: false });
      legs(turn, { type: 'resume' });
      return;
    case 'stop':
      tellStop(turn, recording, 'stopped', marks);
      return;
    default:
      action satisfies never;
  }
}

/** What is in the ring still reaches the recorders. */
function tellStop(turn: Turn, { window }: RecordingData, reason: string, marks: Marks): void {
  change(turn, { phase: 'stopping', window: endWindow(window, marks), isPausing: false });
  legs(turn, { type: 'stop', reason });
}

/** No recorder is told of a pause before nothing goes to the other, either. */
function tellStopped(turn: Turn, all: readonly LegSummary[]): void {
  const recording = turn.call.recordings.at(-1);
  if (recording?.isPausing !== true || !all.every(({ stopped }) => stopped)) return;
  change(turn, { isPausing: false });
  legs(turn, { type: 'stopped' });
}

function resumed(turn: Turn, marks: Marks): void {
  const recording = running(turn.call);
  if (recording !== undefined) change(turn, { window: resumedWindow(recording.window, marks) });
  reply(turn, {});
}

function end(turn: Turn, { marks }: Doing, reason: string): void {
  const recording = turn.call.recordings.at(-1);
  if (recording === undefined || recording.phase === 'ended') {
    close(turn);
    return;
  }
  if (recording.phase !== 'stopping') tellStop(turn, recording, reason, marks);
  seeLegs(turn, 'stopping');
}

function close(turn: Turn): void {
  turn.call.endedAt = turn.now;
  waitFor(turn, 'closing');
  turn.effects.push({ do: 'close-media' });
}

function closed(turn: Turn): void {
  turn.call.state = 'ended';
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
      change(turn, { phase: 'ended' });
      if (turn.call.state !== 'offered') {
        turn.effects.push({ do: 'account', recording: turn.call.recordings.at(-1)?.number ?? 0 });
      }
      if (doing.ask.what === 'end') close(turn);
      else reply(turn, {});
      return;
    case 'media':
    case 'resuming':
    case 'closing':
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

/** They may be done with it already. */
function seeLegs(turn: Turn, stage: 'reserving' | 'settling' | 'stopping'): void {
  waitFor(turn, stage);
  turn.effects.push({ do: 'see-legs' });
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
  details?: Readonly<Record<string, unknown>>,
): void {
  failWith(turn, refusal(code, message, details));
}

function failWith(turn: Turn, error: TandemError): void {
  const { doing } = turn.call;
  if (doing !== undefined) turn.effects.push({ do: 'fail', id: doing.id, error });
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

function hasEnded(): TandemError {
  return refusal('CALL_NOT_FOUND', 'the call has ended', { field: 'id' });
}
