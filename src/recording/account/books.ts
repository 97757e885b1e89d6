import type { ForkReport } from '../../edge/types.ts';
import { clip, count, intersect, subtract, union } from '../../rtp/ranges.ts';
import type { Range } from '../../rtp/ranges.ts';
import { parties } from '../interfaces.ts';
import type { FailureReason, Party } from '../interfaces.ts';
import { account, deliveredBy, wantedOf } from './delivery.ts';
import type { Delivery, SessionDelivery } from './delivery.ts';
import type { FailoverCost } from './failovers.ts';
import type { Forks, SessionRecord, Streams, WindowRecord } from './records.ts';
import { currentSession } from './sessions.ts';
import { floorOf, streamWindow } from './window.ts';

/** The books of one leg: all that can be said of it at one moment. Pure. */
export interface LegBooks {
  readonly sessions: readonly SessionRecord[];
  readonly window: WindowRecord;
  readonly streams: Streams;
  /** Of the current session. */
  readonly live: Forks;
  /** A recorder is still to come, and what is in the ring will be sent to it. */
  readonly waits: boolean;
}

export interface LegDelivery {
  readonly sentPackets: number;
  /** Arrived, was to be recorded, and no live recorder of this leg got it; without what a replay can still bring. */
  readonly lost: readonly Range[];
  /** Of `lost`, and `reportedLostPackets`. */
  readonly lostPackets: number;
  readonly lostMs: number;
  /** Lost on the way to recorders, as their receiver reports count them: so many at least; which ones they do not say. */
  readonly reportedLostPackets: number;
}

/** What each session delivered of the party's stream, in order; those that have none are left out. */
export function deliveriesOf(books: LegBooks, party: Party): SessionDelivery[] {
  const current = currentSession(books.sessions);
  return books.sessions.flatMap((session) =>
    deliveryOf(session, party, session === current ? books.live : {}),
  );
}

export function deliveryOf(session: SessionRecord, party: Party, live: Forks): SessionDelivery[] {
  const fork = (session.forks ?? live)[party];
  if (fork === undefined) return [];
  const deadFrom = session.deadFrom?.[party];
  const unsureFrom = session.unsureFrom?.[party] ?? deadFrom;
  return [
    {
      fork,
      ...(deadFrom === undefined ? {} : { deadFrom }),
      ...(unsureFrom === undefined ? {} : { unsureFrom }),
      ...(doubtsMedia(session.failure?.reason) ? { mediaDoubted: true } : {}),
    },
  ];
}

export function legDelivery(books: LegBooks, party: Party): LegDelivery {
  const delivery = accountOf(books, party, pendingPackets(books, party));
  const { delivered, missing, reportedLost, wanted } = delivery;
  const lostPackets = count(missing) + reportedLost.atLeast;
  return {
    sentPackets: count(intersect(wanted, delivered)),
    lost: missing,
    lostPackets,
    lostMs: lostPackets * books.streams[party].packetMs,
    reportedLostPackets: reportedLost.atLeast,
  };
}

export function accountOf(books: LegBooks, party: Party, pending: readonly Range[]): Delivery {
  const window = streamWindow(books.window, party);
  return account(books.streams[party], window, deliveriesOf(books, party), pending);
}

/** What a copy has still to send, or waits in the ring for a recorder. */
export function pendingPackets(books: LegBooks, party: Party): Range[] {
  const { ringFirst } = books.streams[party];
  const inRing = Math.max(ringFirst ?? 0, floorOf(books.window, party) ?? 0);
  const current = currentSession(books.sessions);
  if (current === undefined || current.failure !== undefined) {
    return books.waits ? [{ first: inRing, last: Infinity }] : [];
  }
  const fork = books.live[party];
  if (fork === undefined) return [{ first: inRing, last: Infinity }];
  const start = current.from[party];
  const from = start?.kind === 'sequence' ? start.sequence : 0;
  const sent = fork.sent.at(-1);
  // What has left the ring is not sent any more.
  const first = Math.max(ringFirst ?? 0, sent === undefined ? from : sent.last + 1);
  return [{ first, last: Infinity }];
}

/** Whether copies still have to send something of what was to be recorded. */
export function isBehind(books: LegBooks): boolean {
  return parties.some((party) => {
    const fork = books.live[party];
    if (currentSession(books.sessions) === undefined || fork?.state !== 'catching-up') return false;
    return newestSent(fork) < (streamWindow(books.window, party).to ?? Infinity);
  });
}

/** What lies between the packet that the failed session stopped at and the one that the next began with. */
export function failoverCost(
  books: LegBooks,
  failed: SessionRecord,
  next: SessionRecord,
): FailoverCost {
  let lostPackets = 0;
  let lostMs = 0;
  let replayedPackets = 0;
  for (const party of parties) {
    const stream = books.streams[party];
    const start = next.from[party];
    const deadFrom = failed.deadFrom?.[party];
    if (start === undefined) continue;
    const ringFirst = stream.ringFirst ?? 0;
    const begin = start.kind === 'sequence' ? Math.max(start.sequence, ringFirst) : ringFirst;
    replayedPackets += count(clip(stream.received, begin, Infinity));
    // One that was only left has what it was sent.
    if (deadFrom === undefined) continue;
    const lost = count(clip(lackingBefore(books, party), deadFrom, begin - 1));
    lostPackets += lost;
    lostMs += lost * stream.packetMs;
  }
  return { lostPackets, lostMs, replayedPackets };
}

/** Of what sessions that are over had: the one that runs lacks nothing from where it began. */
function lackingBefore(books: LegBooks, party: Party): Range[] {
  const deliveries = books.sessions.flatMap((session) => deliveryOf(session, party, {}));
  const withheld = union(...deliveries.map(({ fork }) => fork.withheld));
  const stream = books.streams[party];
  const wanted = wantedOf(stream, streamWindow(books.window, party), withheld);
  const lacking = subtract(wanted, union(...deliveries.map((one) => deliveredBy(one))));
  return clip(lacking, stream.exactFrom ?? 0, Infinity);
}

function newestSent(fork: ForkReport): number {
  return fork.sent.at(-1)?.last ?? -1;
}

/** Failures that are about the way of the media itself. */
function doubtsMedia(reason: FailureReason | undefined): boolean {
  switch (reason) {
    case 'rtcp_silence':
    case 'rtcp_loss':
    case 'media_refused':
    case 'unsendable':
      return true;
    case undefined:
    case 'icmp':
    case 'sip_closed':
    case 'sip_error':
    case 'sip_timeout':
    case 'options_timeout':
    case 'srs_bye':
    case 'operator':
      return false;
    default:
      return reason satisfies never;
  }
}
