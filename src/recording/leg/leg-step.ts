import { failoverCost, isBehind } from '../account/books.ts';
import type { LegBooks } from '../account/books.ts';
import type { ByParty, Forks, SessionRecord, Streams } from '../account/records.ts';
import { currentSession, failSession } from '../account/sessions.ts';
import {
  goOnPoints,
  handOverPoints,
  isOwed,
  lateStart,
  livePoints,
  replayPoints,
} from '../account/starts.ts';
import { keptOut, pausedFrom } from '../account/window.ts';
import type { ForkStart } from '../../edge/types.ts';
import { parties } from '../interfaces.ts';
import type {
  Allocation,
  CallStock,
  FailureReason,
  Party,
  RecorderMedia,
  SessionRefusal,
} from '../interfaces.ts';
import { isCertain, weigh } from './evidence.ts';
import type { Attempt, Doubt, LegData, LiveSession, Search } from './leg-data.ts';
import type { LegEffect, LegEvent, NotTaken, TimerName } from './leg-events.ts';
import {
  close,
  finish,
  finished,
  finishing,
  noteFailover,
  noteRecentFailure,
  noteRecorded,
  recentFailureMs,
  recorderLeft,
  reported,
  retire,
  retired,
} from './leg-records.ts';
import {
  booksOf,
  clearTimer,
  dropDoubt,
  reportHabitOf,
  isObeyed,
  isSame,
  isWell,
  log,
  mayReceive,
  replace,
  setTimer,
  takesAll,
} from './leg-turn.ts';
import type { LegContext, Turn } from './leg-turn.ts';

/**
 * All that a leg decides. Pure: what is wanted (`desired`) stands beside what the recorder was told (`live.told`), and the
 * difference is worked off; a recorder that may still receive is kept until another one does.
 *
 * The ways that it goes are drawn in docs/architecture.md: what a leg shows (`nameOf`), and inside its phase, its search for a
 * recorder and its session. A test holds this file against the first of these.
 */
export interface LegStep {
  readonly state: LegData;
  readonly effects: readonly LegEffect[];
}

const drainPollMs = 20;
/** Hundreds of legs may doubt at a time, and each look is a visit to the edge. */
const doubtMsMax = 500;
const lookAgainMs = 1_000;
/** What the edge has not done is asked of it again. */
const orderAgainMs = 1_000;
const tellDelayMsMin = 1_000;
const tellDelayMsMax = 30_000;

export function step(state: LegData, event: LegEvent, now: number, context: LegContext): LegStep {
  if (state.phase === 'ended') return { state, effects: leftovers(event) };
  const turn: Turn = { leg: { ...state }, now, context, effects: [] };
  take(turn, event);
  endIfDone(turn);
  return { state: turn.leg, effects: turn.effects };
}

function take(turn: Turn, event: LegEvent): void {
  switch (event.type) {
    case 'reserve':
      allocate(turn, [], false);
      return;
    case 'begin':
      begin(turn);
      return;
    case 'pause':
      turn.leg.desired = { ...turn.leg.desired, paused: true };
      turn.leg.awaitsStop = true;
      pause(turn, pausedFrom(turn.context.window));
      workOff(turn);
      return;
    case 'stopped':
      turn.leg.awaitsStop = false;
      workOff(turn);
      return;
    case 'resume':
      turn.leg.desired = { ...turn.leg.desired, paused: false };
      turn.leg.awaitsStop = false;
      workOff(turn);
      return;
    case 'describe':
      turn.leg.desired = { ...turn.leg.desired, streams: turn.leg.desired.streams + 1 };
      workOff(turn);
      if (turn.leg.isDue === true) begin(turn);
      else seek(turn);
      return;
    case 'stop':
      stop(turn, event.reason);
      return;
    case 'allocated':
      allocated(turn, event.allocation);
      return;
    case 'unallocated':
      if (turn.leg.search.stage === 'allocating') exhausted(turn);
      return;
    case 'turn':
      takeTurn(turn);
      return;
    case 'answered': {
      const { search } = turn.leg;
      if (search.stage !== 'inviting' || search.allocation.recordId !== event.recordId) return;
      answered(turn, search, search.media ?? event.media, event.offered);
      return;
    }
    case 'not-taken':
      notTaken(turn, event.recordId, event.why);
      return;
    case 'stocking':
      stocking(turn, event.recordId);
      return;
    case 'stocked':
      stocked(turn, event.recordId, event.stock, event.live);
      return;
    case 'begun':
      begun(turn, event.recordId);
      return;
    case 'obeyed':
      if (turn.leg.live?.recordId === event.recordId) obeyed(turn, event.order);
      return;
    case 'not-obeyed':
      if (turn.leg.live?.recordId === event.recordId) notObeyed(turn, event);
      return;
    case 'looked':
      if (turn.leg.live?.recordId === event.recordId) looked(turn, event.forks, event.streams);
      return;
    case 'not-looked':
      if (turn.leg.live?.recordId === event.recordId) notLooked(turn);
      return;
    case 'retired':
      retired(turn, event.recordId, event.stock);
      return;
    case 'finishing':
      finishing(turn, event);
      return;
    case 'reported':
      reported(turn, event.recordId, event.forks);
      return;
    case 'finished':
      finished(turn, event.recordId, event.forks);
      return;
    case 'gone':
      turn.leg.finishing = turn.leg.finishing.filter((recordId) => recordId !== event.recordId);
      return;
    case 'told':
      if (turn.leg.live?.recordId === event.recordId) told(turn, event.media, event.offered);
      return;
    case 'not-told':
      if (turn.leg.live?.recordId === event.recordId) notTold(turn, event);
      return;
    case 'timer':
      timer(turn, event.name);
      return;
    case 'adopted':
      adopted(turn, event);
      return;
    case 'session-ended':
      sessionEnded(turn, event.recordId, event.reason);
      return;
    case 'media-changed':
      mediaChanged(turn, event.recordId, event.media);
      return;
    case 'fork-refused':
      if (turn.leg.live?.recordId === event.recordId) refusedAt(turn, event.at);
      return;
    case 'media-doubted':
      if (turn.leg.live?.recordId === event.recordId) ask(turn);
      return;
    case 'media-lost':
      if (turn.leg.live?.recordId === event.recordId) mediaLost(turn, event.reason, event.since);
      return;
    case 'media-well':
      if (turn.leg.live?.recordId === event.recordId) mediaWell(turn);
      return;
    case 'recorder-down':
      recorderDown(turn, event);
      return;
    case 'recorder-draining':
      recorderDraining(turn, event.recorder);
      return;
    case 'recorder-available':
      recorderAvailable(turn, event.recorder);
      return;
    case 'recorder-reports':
      recorderReports(turn, event.recorder, event.everyMs);
      return;
    default:
      event satisfies never;
  }
}

// ---- looking for a recorder ----

/** Not before there is something to record. */
function begin(turn: Turn): void {
  const { leg } = turn;
  if (leg.phase !== 'new') return;
  leg.isDue = !turn.context.hasStreams();
  if (leg.isDue) return;
  leg.phase = 'running';
  if (leg.search.stage === 'reserved') invite(turn, leg.search.allocation, [], false);
  else allocate(turn, [], false);
}

function allocate(turn: Turn, tried: readonly string[], lastResort: boolean): void {
  const { leg, effects } = turn;
  clearTimer(turn, 'retry');
  if (leg.phase === 'running' && !turn.context.hasStreams()) {
    // Nothing could be offered to anybody. It goes on when the streams are described anew.
    leg.search = { stage: 'none' };
    return;
  }
  leg.recentFailures = leg.recentFailures.filter(({ at }) => at > turn.now - recentFailureMs);
  leg.search = { stage: 'allocating', tried, lastResort };
  const session = currentSession(leg.sessions);
  const isKept = isKeptOnly(leg, session);
  // A recorder that records, or is left, is not the one to go to.
  const here = [isKept ? undefined : session?.recorder, leg.leaving?.recorder];
  const lately = leg.recentFailures.map(({ recorder }) => recorder);
  effects.push({
    do: 'allocate',
    exclude: [...tried, ...here.filter((recorder) => recorder !== undefined)],
    // One that is lost and kept is asked anew where there is no other: it may have begun anew itself.
    passOver: isKept && session !== undefined ? [...lately, session.recorder] : lately,
    lastResort,
  });
}

/** It is lost, sent to only because it may still receive, and may be asked for a new session. */
function isKeptOnly(leg: LegData, session: SessionRecord | undefined): boolean {
  if (session?.failure === undefined || !mayReceive(session.failure.reason)) return false;
  // That the kernel takes packets again shows by itself.
  const isUnsendable = session.failure.reason === 'unsendable';
  return !isUnsendable || leg.recentFailures.every(({ recorder }) => recorder !== session.recorder);
}

function takeTurn(turn: Turn): void {
  const { search } = turn.leg;
  if (search.stage === 'queued') allocate(turn, search.tried, search.lastResort);
}

function allocated(turn: Turn, allocation: Allocation): void {
  const { leg, effects } = turn;
  const { search } = leg;
  if (search.stage !== 'allocating') {
    effects.push({ do: 'release', recordId: allocation.recordId });
  } else if (leg.phase === 'new') {
    leg.search = { stage: 'reserved', allocation };
  } else {
    invite(turn, allocation, search.tried, search.lastResort);
  }
}

function invite(
  { leg, now, effects }: Turn,
  allocation: Allocation,
  tried: readonly string[],
  lastResort: boolean,
): void {
  const { streams } = leg.desired;
  leg.search = { stage: 'inviting', tried, lastResort, allocation, askedAt: now, streams };
  effects.push({ do: 'invite', allocation });
}

type Starting = Extract<Search, { stage: 'starting' }>;
type Plan = NonNullable<Starting['plan']>;

function answered(
  turn: Turn,
  { stage: _stage, ...attempt }: Extract<Search, { stage: 'inviting' }>,
  media: RecorderMedia,
  offered: Starting['offered'],
): void {
  turn.leg.search = { ...attempt, stage: 'starting', media, offered };
  turn.effects.push({ do: 'start-media', recordId: attempt.allocation.recordId });
}

/** The session whose copies stop as the next one's begin. */
export function retiredBy({ search, sessions }: LegData): SessionRecord | undefined {
  const session = currentSession(sessions);
  if (search.stage !== 'starting' || session === undefined) return undefined;
  return search.retires === session.recordId ? session : undefined;
}

/** From here on what has failed does not come back, though the edge may be at it still. */
function stocking({ leg }: Turn, recordId: string): void {
  const { search } = leg;
  if (search.stage !== 'starting' || search.allocation.recordId !== recordId) return;
  const session = currentSession(leg.sessions);
  if (session?.failure === undefined || leg.retiring === session.recordId || isOff(search)) return;
  leg.retiring = session.recordId;
  leg.search = { ...search, retires: session.recordId };
}

/** It is over before it began: then nothing is retired for it, either. */
function isOff({ ended, aborted }: Attempt): boolean {
  return ended !== undefined || aborted === true;
}

/** The next session receives first; one that failed is over with it, one that is only left ends afterwards. */
function stocked(turn: Turn, recordId: string, stock: CallStock, live: Forks): void {
  const { leg, effects, context } = turn;
  const { search } = leg;
  if (search.stage !== 'starting' || search.allocation.recordId !== recordId) return;
  const retired = retiredBy(leg);
  if (retired !== undefined) close(turn, retired, retired.failure?.reason ?? 'failed', stock);
  if (isOff(search)) {
    const reason = search.ended ?? 'sip_error';
    notTaken(turn, recordId, { reason, message: 'the session was over before it began' });
    return;
  }
  if (currentSession(leg.sessions)?.failure !== undefined) {
    // It failed while stock was being taken: its copies are there still, and where the next one begins is not known.
    effects.push({ do: 'start-media', recordId });
    return;
  }
  const from = beginnings(turn, stock.streams, live);
  const { media } = search;
  // What is said after the end is no more for it than what is said in a pause.
  const isOver = leg.phase === 'stopping' && context.window.to !== undefined;
  const paused = leg.desired.paused || isOver;
  leg.search = { ...search, plan: { from, streams: stock.streams, media, paused } };
  effects.push({
    do: 'start-forks',
    start: {
      recordId,
      to: media,
      from,
      paused,
      pausedFrom: pausedFrom(context.window),
      keptOut: keptOut(context.window),
    },
  });
}

/** Where the next session begins. */
function beginnings(turn: Turn, streams: Streams, live: Forks): ByParty<ForkStart> {
  const { leg, now, context } = turn;
  const { replay, replayOverlapMs: overlapMs } = context.settings;
  const books = booksOf(turn, streams, live);
  if (leg.live !== undefined) {
    // It is left because its media did not come, or not all of it: what it may have of the rest is not known either.
    const doubted = leg.leaving?.reason === 'rtcp_loss' || leg.leaving?.reason === 'media_refused';
    const habit = reportHabitOf(leg);
    return replay ? handOverPoints(books, { overlapMs, doubted, habit, now }) : goOnPoints(books);
  }
  const isFirst = leg.sessions.length === 0;
  return isFirst || replay ? replayPoints(books, isFirst ? 0 : overlapMs) : livePoints(streams);
}

function begun(turn: Turn, recordId: string): void {
  const { leg, now, effects } = turn;
  const { search } = leg;
  if (search.stage !== 'starting' || search.allocation.recordId !== recordId) return;
  const { allocation, offered, plan } = search;
  if (plan === undefined) return;
  if (search.aborted === true) {
    effects.push({ do: 'drop-forks', recordId });
    return;
  }
  const { recorder, zone } = allocation;
  const before = leg.sessions.at(-1);
  const left = currentSession(leg.sessions);
  if (left !== undefined) {
    const { done } = leg.failovers.at(-1) ?? { done: true };
    if (done !== undefined) noteFailover(turn, recorderLeft(turn, left));
    // It may have failed meanwhile.
    if (left.failure === undefined) finish(turn, left, leg.leaving?.reason ?? 'operator');
    else retire(turn, left, left.failure.deadAt);
  }
  const session: SessionRecord = { recordId, recorder, zone, startedAt: now, from: plan.from };
  leg.sessions = [...leg.sessions, session];
  leg.search = { stage: 'none' };
  delete leg.reportsEveryMs;
  if (allocation.reportsEveryMs !== undefined) leg.reportsEveryMs = allocation.reportsEveryMs;
  leg.live = {
    recordId,
    media: plan.media,
    offered,
    told: { paused: false, streams: search.streams },
    tellDelayMs: tellDelayMsMin,
    forksPaused: plan.paused,
    ordered: 0,
    obeyed: 0,
    drained: !plan.paused,
    drainUntil: now + turn.context.settings.drainMs,
  };
  dropDoubt(turn);
  for (const name of ['retry', 'media', 'tell', 'order', 'drain'] as const) clearTimer(turn, name);
  if (leg.leaving?.recorder !== recorder) delete leg.leaving;
  effects.push({ do: 'praise', recorder, recordId, setupMs: now - search.askedAt });
  noteRecorded(turn);
  const open = leg.failovers.at(-1);
  if (open !== undefined && open.done === undefined && before !== undefined) {
    const cost = failoverCost(
      booksOf(turn, plan.streams, {}),
      lastOf(leg.sessions, before),
      session,
    );
    noteFailover(turn, { ...open, done: { to: recorder, at: now, cost } });
  }
  if (leg.phase === 'stopping') drain(turn);
  else if (plan.paused) effects.push({ do: 'look', recordId });
  catchUp(turn, search, plan);
  workOff(turn);
  judgeMedia(turn);
  seek(turn);
}

/** What came in while its copies were being started. */
function catchUp(turn: Turn, { media, ended }: Starting, plan: Plan): void {
  if (plan.pausedSince !== undefined) pause(turn, plan.pausedSince);
  if (media !== plan.media) follow(turn, media);
  if (ended !== undefined) sessionEnded(turn, turn.leg.live?.recordId ?? '', ended);
}

function notTaken(turn: Turn, recordId: string, why: NotTaken): void {
  const { leg, effects } = turn;
  const { search } = leg;
  const isAsked = search.stage === 'inviting' || search.stage === 'starting';
  if (!isAsked || search.allocation.recordId !== recordId) return;
  const { recorder } = search.allocation;
  // Stock could not be taken: what it was to stop is still to be stopped.
  if (search.stage === 'starting' && leg.retiring === search.retires) delete leg.retiring;
  effects.push({ do: 'release', recordId }, { do: 'abandon', recordId });
  if (search.aborted === true) {
    leg.search = { stage: 'none' };
    if (leg.phase === 'stopping') letGo(turn);
    else seek(turn);
    return;
  }
  const reason = search.ended ?? why.reason;
  const facts = { recordId, recorder, reason, error: why.message };
  if (why.ours === true) {
    log(turn, 'error', 'could not record anywhere', facts);
    exhausted(turn);
    return;
  }
  log(turn, 'warn', 'not recorded there', facts);
  const refusal = search.ended === undefined ? why.refusal : undefined;
  const said = { reason, ...(refusal && { refusal }) };
  effects.push({ do: 'note-not-taken', recorder, why: said });
  allocate(turn, [...search.tried, recorder], search.lastResort);
}

/** Nobody takes it. */
function exhausted(turn: Turn): void {
  const { leg, effects, context } = turn;
  leg.search = { stage: 'none' };
  if (leg.phase === 'new') return;
  if (leg.phase === 'stopping') {
    letGo(turn);
    return;
  }
  const session = currentSession(leg.sessions);
  const failure = session?.failure;
  // One that may still receive goes on being sent to, until there is another.
  if (session !== undefined && failure !== undefined && !mayReceive(failure.reason)) {
    retire(turn, session, failure.deadAt);
  }
  const isRecorded = session !== undefined && failure === undefined;
  // An operator's recorder is good until there is another: it is told when there is.
  if (isRecorded && leg.leaving?.reason === 'operator') return;
  leg.search = { stage: 'waiting' };
  setTimer(turn, 'retry', leg.retryDelayMs);
  leg.retryDelayMs = Math.min(leg.retryDelayMs * 2, context.settings.retry.maxMs);
  if (isRecorded && leg.leaving?.reason === 'rtcp_loss') return;
  if (leg.unrecordedTold) return;
  leg.unrecordedTold = true;
  log(turn, 'error', 'leg has no recorder', {});
  effects.push({ do: 'note-unrecorded' });
}

function retry(turn: Turn): void {
  if (turn.leg.phase !== 'running' || turn.leg.search.stage !== 'waiting') return;
  askForTheRest(turn);
  allocate(turn, [], true);
}

/** Nobody takes all of the media for a while: the recorder that takes a part of it may take the rest by now. */
function askForTheRest(turn: Turn): void {
  const { leg, context } = turn;
  const { live, leaving, desired, retryDelayMs } = leg;
  if (leaving?.reason !== 'media_refused' || live === undefined || !isWell(leg)) return;
  if (takesAll(live) || desired.paused || retryDelayMs < context.settings.retry.maxMs) return;
  leg.desired = { ...desired, streams: desired.streams + 1 };
  workOff(turn);
}

/** Its answer is not waited for. */
function abort(turn: Turn, reason?: FailureReason): void {
  const { leg, effects } = turn;
  const { search } = leg;
  switch (search.stage) {
    case 'inviting':
    case 'starting': {
      const ended = search.ended ?? reason;
      leg.search = {
        ...search,
        ...(ended === undefined ? {} : { ended }),
        ...(reason === undefined ? { aborted: true } : {}),
      };
      effects.push({ do: 'cancel-invite', recordId: search.allocation.recordId });
      return;
    }
    case 'reserved':
      effects.push({ do: 'release', recordId: search.allocation.recordId });
      leg.search = { stage: 'none' };
      return;
    case 'queued':
    case 'allocating':
    case 'waiting':
    case 'none':
      clearTimer(turn, 'retry');
      leg.search = { stage: 'none' };
      return;
    default:
      search satisfies never;
  }
}

// ---- what is wanted, and what the recorder was told ----

/**
 * The edge stops at once, but for what came before: that would be lost else, as nothing goes back behind a pause. What it is about to
 * begin stops when it has begun.
 */
function pause(turn: Turn, from: Readonly<Record<Party, number>>): void {
  const { leg, now, effects, context } = turn;
  const { live, search } = leg;
  if (search.stage === 'starting' && search.plan?.paused === false) {
    leg.search = { ...search, plan: { pausedSince: from, ...search.plan } };
  }
  if (live === undefined || live.forksPaused) return;
  const { cutOff: _cutOff, ...rest } = live;
  const order = live.ordered + 1;
  const drainUntil = now + context.settings.drainMs;
  leg.live = { ...rest, forksPaused: true, ordered: order, drained: false, drainUntil };
  effects.push({ do: 'pause-forks', recordId: live.recordId, order, from });
}

/** What is seen of the copies from now on is of after it. */
function obeyed({ leg, effects }: Turn, order: number): void {
  const { live } = leg;
  if (live === undefined || order <= live.obeyed) return;
  leg.live = { ...live, obeyed: order };
  if (!isObeyed(leg.live)) return;
  if (!live.drained || live.mediaToFollow !== undefined) {
    effects.push({ do: 'look', recordId: live.recordId });
  }
}

/** Until it is done, what was asked for is not acknowledged: it is asked for again. */
function notObeyed(turn: Turn, { order, what }: Extract<LegEvent, { type: 'not-obeyed' }>): void {
  const { leg, now } = turn;
  const { live } = leg;
  if (live === undefined || order <= live.obeyed) return;
  if (what === 'retarget-forks') {
    // What was to go elsewhere, and does not, is not being recorded.
    mediaLost(turn, 'unsendable', now);
    obeyed(turn, order);
    return;
  }
  leg.live = { ...live, ordered: live.ordered + 1 };
  setTimer(turn, 'order', orderAgainMs);
}

function orderAgain({ leg, effects, context }: Turn): void {
  const { live } = leg;
  if (live === undefined || isObeyed(live)) return;
  const { recordId, ordered: order } = live;
  if (!live.forksPaused) effects.push({ do: 'resume-forks', recordId, order });
  else if (live.cutOff !== undefined) effects.push({ do: 'pause-forks', recordId, order });
  else effects.push({ do: 'pause-forks', recordId, order, from: pausedFrom(context.window) });
}

/** Tells the recorder what it does not know yet, one thing at a time; the edge goes on when it knows. */
function workOff(turn: Turn): void {
  const { leg, effects } = turn;
  const { live, desired } = leg;
  if (live === undefined || leg.phase !== 'running' || live.telling !== undefined) return;
  const { recordId, told: said, untold } = live;
  // One that is lost is told nothing, though it may still receive.
  const knows =
    !isWell(leg) || isSame(said, desired) || (untold !== undefined && isSame(untold, desired));
  const mayBeTold = !desired.paused || (live.drained && leg.awaitsStop !== true);
  if (!knows && mayBeTold) {
    leg.live = { ...live, telling: desired };
    clearTimer(turn, 'tell');
    effects.push({ do: 'tell', recordId, paused: desired.paused });
    return;
  }
  const follows = live.mediaToFollow === undefined;
  if (!desired.paused && live.forksPaused && knows && follows) {
    const { cutOff: _cutOff, ...rest } = live;
    const order = live.ordered + 1;
    leg.live = { ...rest, forksPaused: false, ordered: order, drained: true };
    effects.push({ do: 'resume-forks', recordId, order });
    judgeMedia(turn);
  }
}

function told(turn: Turn, media: RecorderMedia, offered: LiveSession['offered']): void {
  const { leg } = turn;
  const { live } = leg;
  if (live?.telling === undefined) return;
  const { telling, untold: _untold, ...rest } = live;
  leg.live = { ...rest, told: telling, offered, tellDelayMs: tellDelayMsMin };
  if (!telling.paused) follow(turn, media);
  workOff(turn);
}

function notTold(turn: Turn, event: Extract<LegEvent, { type: 'not-told' }>): void {
  const { leg, now } = turn;
  const { live } = leg;
  if (live?.telling === undefined) return;
  const { telling, ...rest } = live;
  leg.live = { ...rest, untold: telling };
  log(turn, 'warn', 'recorder did not take the change', {
    recordId: live.recordId,
    reason: event.reason,
  });
  // One that says no is alive, and goes on with what it has; should the dialog be gone, we are told of that by itself.
  if (event.kind !== 'refused' || isForNow(event.refusal)) {
    const askedForMs = Math.min(event.refusal?.retryAfterMs ?? 0, tellDelayMsMax);
    setTimer(turn, 'tell', Math.max(live.tellDelayMs, askedForMs));
    leg.live = { ...leg.live, tellDelayMs: Math.min(2 * live.tellDelayMs, tellDelayMsMax) };
  }
  if (event.kind === 'silent') {
    const { askedAt } = event;
    doubt(turn, { reason: event.reason, since: now, deadAt: askedAt, safeAt: askedAt });
  }
  workOff(turn);
}

/** The same may be taken later: it was busy, or another request was in the way (RFC 3261 14.2, 20.33, 21.5). */
function isForNow(refusal: SessionRefusal | undefined): boolean {
  if (refusal === undefined) return false;
  return refusal.retryAfterMs !== undefined || [491, 500, 503, 504].includes(refusal.status);
}

/** The recorder takes its media elsewhere now, or other streams of it. */
function mediaChanged(turn: Turn, recordId: string, media: RecorderMedia): void {
  const { leg } = turn;
  const { search } = leg;
  const isAsked = search.stage === 'inviting' || search.stage === 'starting';
  if (isAsked && search.allocation.recordId === recordId) {
    leg.search = { ...search, media };
  } else if (leg.live?.recordId === recordId) {
    follow(turn, media);
  }
}

function follow(turn: Turn, media: RecorderMedia): void {
  const { leg, effects } = turn;
  if (leg.live === undefined) return;
  leg.live = { ...leg.live, media, mediaToFollow: media };
  effects.push({ do: 'look', recordId: leg.live.recordId });
}

/** A leg records when every stream that it should get is being sent. */
function judgeMedia(turn: Turn): void {
  const { leg, context } = turn;
  const { live } = leg;
  if (live === undefined || !isWell(leg)) return;
  if (takesAll(live) || leg.desired.paused) {
    clearTimer(turn, 'media');
    if (leg.leaving?.reason === 'media_refused') stay(turn);
  } else if (leg.leaving === undefined) {
    setTimer(turn, 'media', context.settings.mediaTimeoutMs);
  }
}

// ---- signs ----

/** What the edge says of the current session, as it was asked to. */
function looked(turn: Turn, forks: Forks, streams: Streams): void {
  const { leg, effects, context } = turn;
  const books = booksOf(turn, streams, forks);
  // Which copies there are is known when the edge is done with what it was told before.
  if (leg.live?.mediaToFollow !== undefined && isObeyed(leg.live)) {
    const { mediaToFollow: to, ...live } = leg.live;
    const { recordId } = live;
    const order = live.ordered + 1;
    leg.live = { ...live, ordered: order };
    const added: ByParty<ForkStart> = Object.fromEntries(
      parties
        .filter((party) => to[party] !== undefined && forks[party] === undefined)
        .map((party) => [party, lateStart(books, party)]),
    );
    leg.sessions = leg.sessions.map((session) =>
      session.recordId === recordId ? { ...session, from: { ...session.from, ...added } } : session,
    );
    effects.push({
      do: 'retarget-forks',
      recordId,
      order,
      to,
      from: added,
      keptOut: keptOut(context.window),
    });
    judgeMedia(turn);
    workOff(turn);
  }
  lookForDrained(turn, isBehind(books));
  weighDoubt(turn, forks);
  if (isBack(turn, books)) mediaWell(turn);
}

/** What is lost has reported since, on all that it is sent, and nothing is owed to it. */
function isBack({ leg, now }: Turn, books: LegBooks): boolean {
  const failure = currentSession(leg.sessions)?.failure;
  if (leg.phase !== 'running' || failure === undefined || !mayReceive(failure.reason)) return false;
  const reports = Object.values(books.live).filter(({ sent }) => sent.length > 0);
  const isHeard = reports.every(({ receiverReport: { at = 0 } = {} }) => at > failure.detectedAt);
  const habit = reportHabitOf(leg);
  return (
    reports.length > 0 && isHeard && !parties.some((party) => isOwed(books, party, habit, now))
  );
}

/** The edge does not say. It is asked again, and nothing waits for it for ever. */
function notLooked(turn: Turn): void {
  const { leg } = turn;
  const asked = leg.doubt !== undefined || leg.live?.mediaToFollow !== undefined;
  if (asked) setTimer(turn, 'doubt', lookAgainMs);
  lookForDrained(turn, true);
}

function lookForDrained(turn: Turn, behind: boolean): void {
  const { leg, now, effects } = turn;
  const { live } = leg;
  if (live === undefined || live.drained || !isObeyed(live)) return;
  if (behind && live.cutOff === undefined) {
    if (now < live.drainUntil && isWell(leg)) {
      setTimer(turn, 'drain', drainPollMs);
      return;
    }
    if (live.forksPaused) {
      const order = live.ordered + 1;
      leg.live = { ...live, ordered: order, cutOff: order };
      effects.push({ do: 'pause-forks', recordId: live.recordId, order });
      return;
    }
  }
  leg.live = { ...live, drained: true };
  workOff(turn);
  const session = currentSession(leg.sessions);
  if (leg.phase !== 'stopping' || session === undefined) return;
  const { failure } = session;
  // One that is lost is kept while another is looked for, and one that is gone says nothing more.
  const isLast = leg.search.stage === 'none' && failure !== undefined && mayReceive(failure.reason);
  if (failure === undefined || isLast) finish(turn, session, leg.stop?.reason ?? 'ended');
}

function doubt(turn: Turn, about: Doubt): void {
  const { leg, effects } = turn;
  if (isCertain(about.reason)) {
    fail(turn, about.reason, turn.now);
    return;
  }
  if (leg.live === undefined || leg.doubt !== undefined || !isWell(leg)) return;
  leg.doubt = about;
  effects.push({ do: 'look', recordId: leg.live.recordId });
}

/** Media says what is true. */
function weighDoubt(turn: Turn, forks: Forks): void {
  const { leg, now, context } = turn;
  const session = currentSession(leg.sessions);
  if (leg.doubt === undefined || session === undefined) return;
  const { reason, since, deadAt, safeAt, unanswered } = leg.doubt;
  const reports = Object.values(forks);
  const { suspicionMs } = context.settings;
  const verdict = weigh(reports, since, now, session.startedAt, suspicionMs, unanswered);
  if (typeof verdict === 'object') {
    setTimer(turn, 'doubt', Math.min(verdict.waitMs, doubtMsMax));
    return;
  }
  switch (verdict) {
    case 'alive':
      dropDoubt(turn);
      log(turn, 'warn', 'signalling of the recorder failed, and nothing else: not moved', {
        recordId: session.recordId,
        recorder: session.recorder,
        reason,
      });
      return;
    case 'dead': {
      const refusedAt = reports.flatMap(({ refused }) => refused?.at ?? []);
      if (refusedAt.length > 0) {
        fail(turn, 'icmp', Math.min(deadAt, ...refusedAt));
        return;
      }
      const heardAt = Math.max(...reports.map(({ receiverReport }) => receiverReport?.at ?? 0));
      fail(turn, reason, Math.max(deadAt, heardAt), safeAt);
      return;
    }
  }
}

function ask(turn: Turn): void {
  const session = currentSession(turn.leg.sessions);
  if (session === undefined) return;
  turn.effects.push({ do: 'ask', recorder: session.recorder, reason: 'rtcp_silence' });
}

function mediaLost(
  turn: Turn,
  reason: 'rtcp_silence' | 'rtcp_loss' | 'unsendable',
  since: number,
): void {
  const { leg, effects, now } = turn;
  const session = currentSession(leg.sessions);
  if (session === undefined || !isWell(leg)) return;
  if (reason !== 'rtcp_loss') {
    fail(turn, reason, since);
    return;
  }
  // It lives, and has the rest: it is left for a better one, if there is.
  if (leg.leaving !== undefined || leg.phase !== 'running') return;
  const { recorder } = session;
  leg.leaving = { recorder, reason };
  noteRecentFailure(turn, session, since);
  noteFailover(turn, { leg: leg.leg, from: recorder, reason, detectedAt: now, deadAt: since });
  effects.push({ do: 'blame', recorder, reason });
  seek(turn);
}

/** What was missed of a recorder that was not replaced yet is there again. */
function mediaWell(turn: Turn): void {
  const { leg } = turn;
  const session = currentSession(leg.sessions);
  const reason = session?.failure?.reason;
  if (session !== undefined && leg.retiring === session.recordId) return;
  if (session !== undefined && reason !== undefined && mayReceive(reason)) {
    const { failure: _failure, ...well } = session;
    leg.sessions = [...leg.sessions.slice(0, -1), well];
    stay(turn);
    workOff(turn);
    judgeMedia(turn);
  } else if (leg.leaving?.reason === 'rtcp_loss') {
    stay(turn);
    judgeMedia(turn);
  }
}

function stay(turn: Turn): void {
  const { leg, now } = turn;
  const open = leg.failovers.at(-1);
  delete leg.leaving;
  abort(turn);
  noteRecorded(turn);
  if (open === undefined || open.done !== undefined) return;
  const cost = { lostPackets: 0, lostMs: 0, replayedPackets: 0 };
  noteFailover(turn, { ...open, done: { to: open.from, at: now, cost } });
}

function sessionEnded(turn: Turn, recordId: string, reason: FailureReason): void {
  const { leg, now } = turn;
  const { search } = leg;
  if (search.stage === 'inviting' || search.stage === 'starting') {
    if (search.allocation.recordId === recordId) leg.search = { ...search, ended: reason };
  }
  if (leg.live?.recordId !== recordId) return;
  harden(turn, reason);
  if (!isWell(leg)) return;
  log(turn, 'warn', 'recorder ended the recording session', { recordId, reason });
  doubt(turn, { reason, since: now, deadAt: now, safeAt: now });
}

function recorderDown(turn: Turn, event: Extract<LegEvent, { type: 'recorder-down' }>): void {
  const { leg, context } = turn;
  const { recorder, at, probeWindowMs } = event;
  const reason = ofSessionAlone(event.reason) ? 'options_timeout' : event.reason;
  leaveReserved(turn, recorder);
  const { search } = leg;
  const isAsked = search.stage === 'inviting' || search.stage === 'starting';
  if (isAsked && search.allocation.recorder === recorder && search.aborted !== true) {
    abort(turn, reason);
  }
  if (currentSession(leg.sessions)?.recorder !== recorder) return;
  if (reason !== 'options_timeout' && reason !== 'rtcp_silence') {
    doubt(turn, { reason, since: at, deadAt: at, safeAt: at, unanswered: true });
    unanswered(turn);
    return;
  }
  // It has been asked more than once already: it had its time, and what it reported before the last question is no answer.
  const since = at - context.settings.suspicionMs - 1;
  // It may have gone right after it had answered the question before.
  const safeAt = at - 2 * probeWindowMs;
  if (!isWell(leg) || leg.live === undefined) return;
  if (leg.doubt !== undefined) {
    unanswered(turn);
    return;
  }
  leg.doubt = { reason, since, deadAt: at - probeWindowMs, safeAt, unanswered: true };
  turn.effects.push({ do: 'look', recordId: leg.live.recordId });
}

/** What it was doubted for before is not left to OPTIONS any more. */
function unanswered({ leg, effects }: Turn): void {
  if (leg.doubt === undefined || leg.live === undefined || leg.doubt.unanswered === true) return;
  leg.doubt = { ...leg.doubt, unanswered: true };
  effects.push({ do: 'look', recordId: leg.live.recordId });
}

/** What is so of one session says nothing of others on the same recorder. That it does not answer any more does. */
function ofSessionAlone(reason: FailureReason): boolean {
  return reason === 'srs_bye' || reason === 'rtcp_loss' || reason === 'media_refused';
}

/** ICMP proves that its port is closed. */
function refusedAt(turn: Turn, at: number): void {
  harden(turn, 'icmp');
  // A connection that ended just before was the same death.
  fail(turn, 'icmp', Math.min(at, turn.leg.doubt?.deadAt ?? at));
}

/** What might have received still does not any more. */
function harden({ leg }: Turn, reason: FailureReason): void {
  const session = currentSession(leg.sessions);
  if (session?.failure === undefined || !mayReceive(session.failure.reason)) return;
  if (isCertain(reason)) replace(leg, { ...session, failure: { ...session.failure, reason } });
}

/** Moves off this recorder without a gap: the new session receives before the old one ends. */
function recorderDraining(turn: Turn, recorder: string): void {
  const { leg } = turn;
  const { search } = leg;
  leaveReserved(turn, recorder);
  const isAsked = search.stage === 'inviting' || search.stage === 'starting';
  const asked = isAsked ? search.allocation.recorder : undefined;
  if (asked !== recorder && currentSession(leg.sessions)?.recorder !== recorder) return;
  // From one that is to be left it does not go to another that is to be left.
  if (asked === recorder && leg.leaving !== undefined) abort(turn);
  leg.leaving ??= { recorder, reason: 'operator' };
  seek(turn);
}

function recorderAvailable(turn: Turn, recorder: string): void {
  const { leg } = turn;
  // One that was missed may be there again: its reports tell.
  if (leg.live !== undefined && !isWell(leg) && currentSession(leg.sessions)?.recorder === recorder)
    turn.effects.push({ do: 'look', recordId: leg.live.recordId });
  if (leg.leaving?.recorder === recorder && leg.leaving.reason === 'operator') {
    delete leg.leaving;
    if (isWell(leg) && currentSession(leg.sessions)?.recorder === recorder) abort(turn);
    judgeMedia(turn);
  }
  if (leg.search.stage === 'waiting') queue(turn, [], true);
  else seek(turn);
}

/** One that began before it was known is watched like one that begins now. */
function recorderReports({ leg }: Turn, recorder: string, everyMs: number): void {
  const { search } = leg;
  if ('allocation' in search && search.allocation.recorder === recorder) {
    const allocation = { ...search.allocation, reportsEveryMs: everyMs };
    leg.search = { ...search, allocation };
  }
  if (leg.sessions.at(-1)?.recorder === recorder) leg.reportsEveryMs = everyMs;
}

function leaveReserved(turn: Turn, recorder: string): void {
  const { search } = turn.leg;
  if (search.stage !== 'reserved' || search.allocation.recorder !== recorder) return;
  abort(turn);
  // Where there is no other, it is looked for when the call is answered.
  allocate(turn, [recorder], false);
}

/** Looks for a recorder where there is none that is well, or only one that is to be left. */
function seek(turn: Turn): void {
  const { leg } = turn;
  if (leg.phase !== 'running' || leg.search.stage !== 'none') return;
  const recorder = currentSession(leg.sessions)?.recorder;
  if (isWell(leg) && leg.leaving?.recorder !== recorder) return;
  // An operator waits for nobody: even one that failed a short while ago is better than one that will be taken away.
  const lastResort = isWell(leg) && leg.leaving?.reason === 'operator';
  queue(turn, recorder === undefined ? [] : [recorder], lastResort);
}

function queue(turn: Turn, tried: readonly string[], lastResort: boolean): void {
  clearTimer(turn, 'retry');
  turn.leg.search = { stage: 'queued', tried, lastResort };
  turn.effects.push({ do: 'queue' });
}

// ---- a recorder is lost, a session ends ----

function fail(turn: Turn, reason: FailureReason, deadAt: number, safeAt = deadAt): void {
  const { leg, now, effects } = turn;
  const session = currentSession(leg.sessions);
  if (session === undefined || !isWell(leg)) return;
  const { recordId, recorder } = session;
  // What it still says is its goodbye.
  if (leg.finishing.includes(recordId)) return;
  replace(leg, failSession(session, { reason, deadAt, safeAt, detectedAt: now }));
  dropDoubt(turn);
  delete leg.leaving;
  noteRecentFailure(turn, session, deadAt);
  if (leg.phase === 'running') {
    noteFailover(turn, { leg: leg.leg, from: recorder, reason, detectedAt: now, deadAt });
  }
  effects.push({ do: 'blame', recorder, reason });
  log(turn, 'warn', 'recorder lost', { recordId, recorder, reason });
  const { stage } = leg.search;
  if (stage === 'none' || stage === 'waiting') queue(turn, [recorder], false);
}

/** What is in the ring still goes out first. */
function stop(turn: Turn, reason: string): void {
  const { leg, now, context } = turn;
  if (leg.phase === 'stopping') return;
  const { drainMs } = context.settings;
  const isNew = leg.phase === 'new';
  leg.phase = 'stopping';
  leg.stop = { reason, until: now + drainMs };
  delete leg.leaving;
  withholdRest(turn);
  setTimer(turn, 'stop', drainMs);
  const { stage } = leg.search;
  const looks = stage !== 'none' && stage !== 'waiting' && stage !== 'reserved';
  if (looks && !isNew && !isWell(leg)) {
    // What is in the ring waits for the one that is being asked.
    takeTurn(turn);
    return;
  }
  abort(turn);
  letGo(turn);
}

/** Of the last recorder, whatever it is worth. */
function letGo(turn: Turn): void {
  const { leg } = turn;
  const session = currentSession(leg.sessions);
  if (session === undefined || leg.finishing.includes(session.recordId)) return;
  const { failure } = session;
  if (failure === undefined || mayReceive(failure.reason)) drain(turn);
  else retire(turn, session, failure.deadAt);
}

function drain(turn: Turn): void {
  const { leg, effects } = turn;
  withholdRest(turn);
  if (leg.live === undefined) return;
  leg.live = { ...leg.live, drained: false, drainUntil: leg.stop?.until ?? turn.now };
  // Else it is looked at when the edge has obeyed.
  if (isObeyed(leg.live)) effects.push({ do: 'look', recordId: leg.live.recordId });
}

/** Of what comes after the end nothing is sent, however long the ring takes to be emptied. */
function withholdRest({ leg, effects, context }: Turn): void {
  const { live } = leg;
  if (live === undefined || live.forksPaused || context.window.to === undefined) return;
  const order = live.ordered + 1;
  leg.live = { ...live, forksPaused: true, ordered: order };
  const { recordId } = live;
  effects.push({ do: 'pause-forks', recordId, order, from: pausedFrom(context.window) });
}

/** There is no more time, or nobody to wait for. */
function giveUp(turn: Turn): void {
  const { leg } = turn;
  abort(turn);
  const session = currentSession(leg.sessions);
  if (session === undefined || leg.finishing.includes(session.recordId)) return;
  if (isWell(leg)) finish(turn, session, leg.stop?.reason ?? 'ended');
  else retire(turn, session, session.failure?.deadAt ?? turn.now);
}

function endIfDone(turn: Turn): void {
  const { leg } = turn;
  if (leg.phase !== 'stopping' || leg.search.stage !== 'none') return;
  if (currentSession(leg.sessions) !== undefined || leg.finishing.length > 0) return;
  if (leg.retiring !== undefined) return;
  leg.phase = 'ended';
  for (const name of ['retry', 'doubt', 'drain', 'media', 'tell', 'order', 'stop'] as const) {
    clearTimer(turn, name);
  }
}

// ---- another process goes on with it ----

type Adopted = Extract<LegEvent, { type: 'adopted' }>;

/** What was half done is done again, or undone: all that is asked for here may be asked for twice. */
function adopted(turn: Turn, event: Adopted): void {
  const { leg, now, effects } = turn;
  if (leg.retiring !== undefined && !isRetiredByNext(leg)) {
    const session = leg.sessions.find(({ recordId }) => recordId === leg.retiring);
    const at = session?.failure?.deadAt ?? now;
    effects.push({ do: 'retire', recordId: leg.retiring, at });
  }
  for (const recordId of leg.finishing) {
    const session = leg.sessions.find((one) => one.recordId === recordId);
    const reason = session?.endReason ?? leg.stop?.reason ?? 'ended';
    effects.push({ do: 'finish', recordId, reason });
  }
  adoptLive(turn, event);
  adoptSearch(turn, event);
  if (leg.phase === 'stopping') {
    setTimer(turn, 'stop', Math.max(0, (leg.stop?.until ?? now) - now));
    if (leg.search.stage === 'none') letGo(turn);
  }
  workOff(turn);
  seek(turn);
}

/** Whose copies stop as those of the next session begin. */
function isRetiredByNext({ search, retiring }: LegData): boolean {
  return search.stage === 'starting' && search.retires === retiring;
}

function adoptLive(turn: Turn, { forks, sessions }: Adopted): void {
  const { leg, effects, context } = turn;
  if (leg.live === undefined) return;
  const { telling: _telling, untold: _untold, ...live } = leg.live;
  const { recordId, forksPaused, cutOff } = live;
  const order = live.ordered + 1;
  const wasObeyed = isObeyed(live);
  leg.live = { ...live, ordered: order };
  if (!forksPaused) effects.push({ do: 'resume-forks', recordId, order });
  else if (cutOff !== undefined) effects.push({ do: 'pause-forks', recordId, order });
  else effects.push({ do: 'pause-forks', recordId, order, from: pausedFrom(context.window) });
  const session = sessions[recordId];
  const recorder = currentSession(leg.sessions)?.recorder;
  if (session === undefined) {
    // It is well, and has no dialog in which it could be told anything: another one is found without a gap.
    if (isWell(leg) && leg.phase === 'running' && recorder !== undefined) {
      leg.leaving ??= { recorder, reason: 'operator' };
    }
  } else {
    const { media } = session;
    const has = forks[recordId] ?? {};
    const hasAll = parties.every((party) => media[party] === undefined || has[party] !== undefined);
    const isFollowed = wasObeyed && live.mediaToFollow === undefined;
    if (!hasAll || !isFollowed || !isSameMedia(media, live.media)) follow(turn, media);
  }
  if (leg.doubt !== undefined || !isWell(leg)) effects.push({ do: 'look', recordId });
  judgeMedia(turn);
}

function adoptSearch(turn: Turn, event: Adopted): void {
  const { leg } = turn;
  const { search } = leg;
  switch (search.stage) {
    case 'none':
    case 'reserved':
      return;
    case 'queued':
      queue(turn, search.tried, search.lastResort);
      return;
    case 'allocating':
      allocate(turn, search.tried, search.lastResort);
      return;
    case 'waiting':
      queue(turn, [], true);
      return;
    case 'inviting': {
      const session = event.sessions[search.allocation.recordId];
      if (session === undefined || isOff(search)) notAsked(turn, search);
      else answered(turn, search, session.media, session.offered);
      return;
    }
    case 'starting':
      adoptStarting(turn, search, event);
      return;
    default:
      search satisfies never;
  }
}

/** Its copies may have begun, whether or not anybody has noted it. */
function adoptStarting(turn: Turn, search: Starting, { forks, sessions }: Adopted): void {
  const { leg, effects } = turn;
  const { plan, retires, ...rest } = search;
  const { recordId } = search.allocation;
  const session = sessions[recordId];
  if (retires !== undefined && leg.retiring === retires) delete leg.retiring;
  if (forks[recordId] === undefined) {
    if (session === undefined) {
      notAsked(turn, search);
      return;
    }
    // What is to be sent now may be more than what was planned.
    leg.search = { ...rest, media: session.media };
    effects.push({ do: 'start-media', recordId });
  } else if (session === undefined || plan === undefined) {
    leg.search = { ...search, ended: search.ended ?? 'sip_error' };
    effects.push({ do: 'drop-forks', recordId });
  } else {
    const media = isSameMedia(session.media, plan.media) ? plan.media : session.media;
    leg.search = { ...search, media };
    begun(turn, recordId);
  }
}

function isSameMedia(left: RecorderMedia, right: RecorderMedia): boolean {
  return parties.every((party) => JSON.stringify(left[party]) === JSON.stringify(right[party]));
}

/** Whoever asked it is gone. It is no fault of the recorder's, which may be asked again: for another session. */
function notAsked(turn: Turn, search: Attempt): void {
  const { leg, effects } = turn;
  const { recordId } = search.allocation;
  if (isOff(search)) {
    const reason = search.ended ?? 'sip_error';
    notTaken(turn, recordId, { reason, message: 'not wanted any more' });
    return;
  }
  effects.push({ do: 'release', recordId }, { do: 'abandon', recordId });
  leg.search = { stage: 'none' };
  allocate(turn, search.tried, search.lastResort);
}

// ---- timers, and small things ----

function timer(turn: Turn, name: TimerName): void {
  const { leg, effects } = turn;
  switch (name) {
    case 'retry':
      retry(turn);
      return;
    case 'doubt':
    case 'drain':
      if (leg.live !== undefined) effects.push({ do: 'look', recordId: leg.live.recordId });
      return;
    case 'media':
      mediaMissing(turn);
      return;
    case 'tell':
      if (leg.live !== undefined) {
        const { untold: _untold, ...live } = leg.live;
        leg.live = live;
        workOff(turn);
      }
      return;
    case 'order':
      orderAgain(turn);
      return;
    case 'stop':
      giveUp(turn);
      return;
    default:
      name satisfies never;
  }
}

/** It took the session and does not take the media: another recorder may. */
function mediaMissing(turn: Turn): void {
  const { leg, effects, now } = turn;
  const session = currentSession(leg.sessions);
  if (session === undefined || leg.live === undefined || !isWell(leg)) return;
  if (takesAll(leg.live) || leg.desired.paused || leg.phase !== 'running') return;
  if (leg.leaving !== undefined) return;
  const { recorder, startedAt } = session;
  const reason = 'media_refused';
  leg.leaving = { recorder, reason };
  noteRecentFailure(turn, session, startedAt);
  noteFailover(turn, { leg: leg.leg, from: recorder, reason, detectedAt: now, deadAt: startedAt });
  effects.push({ do: 'blame', recorder, reason });
  seek(turn);
}

function lastOf(sessions: readonly SessionRecord[], { recordId }: SessionRecord): SessionRecord {
  return sessions.find((session) => session.recordId === recordId) as SessionRecord;
}

/** What comes too late for a leg that has ended is let go of. */
function leftovers(event: LegEvent): LegEffect[] {
  if (event.type === 'allocated') return [{ do: 'release', recordId: event.allocation.recordId }];
  return [];
}
