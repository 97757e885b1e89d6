import type { ForkReport } from '../../edge/types.ts';
import { TandemError } from '../../errors.ts';
import type { FailureReason, SessionRefusal } from '../interfaces.ts';

/**
 * Signalling that fails says little about media: a recorder whose SIP side died may well go on writing. So such a sign
 * only raises suspicion, and receiver reports (RFC 3550 6.4) decide: one that is newer than the suspicion clears it,
 * their absence for longer than they use to be apart confirms it. Pure.
 */

export type Verdict = 'alive' | 'dead' | { readonly waitMs: number };

/** A receiver report may be this late against its usual distance. */
const lateness = 1.5;
const slackMs = 100;
/** Less media than this says means that it has paused since. */
const packetMsMax = 60;

export function isCertain(reason: FailureReason): boolean {
  switch (reason) {
    case 'icmp':
    case 'unsendable':
    case 'media_refused':
    case 'srs_bye':
    case 'rtcp_silence':
    case 'rtcp_loss':
      return true;
    case 'sip_closed':
    case 'sip_error':
    case 'sip_timeout':
    case 'options_timeout':
    case 'operator':
      return false;
    default:
      return reason satisfies never;
  }
}

/**
 * @param since when the recorder was last known to answer, Unix ms
 * @param startedAt when the session's copies began, Unix ms
 * @param graceMs for a recorder that never sent a receiver report
 * @param unanswered it does not answer OPTIONS either
 */
export function weigh(
  forks: readonly ForkReport[],
  since: number,
  now: number,
  startedAt: number,
  graceMs: number,
  unanswered = false,
): Verdict {
  if (forks.some(({ refused }) => refused !== undefined)) return 'dead';
  const reported = forks.filter(({ receiverReport }) => receiverReport !== undefined);
  if (reported.length === 0) return deadAt(since + graceMs, now);
  const newest = Math.max(...reported.map(({ receiverReport }) => receiverReport?.at ?? 0));
  // One that was under way when the trouble began proves nothing.
  if (newest > since + slackMs) return 'alive';
  const intervalMs = Math.min(
    ...reported.map(
      ({ receiverReport, receiverReports }) =>
        ((receiverReport?.at ?? startedAt) - startedAt) / Math.max(1, receiverReports),
    ),
  );
  const dueMs = lateness * intervalMs + slackMs;
  if (reported.some((fork) => flows(fork, now))) {
    return deadAt(Math.max(newest + dueMs, since + slackMs), now);
  }
  if (unanswered) return deadAt(since + graceMs, now);
  // Where nothing is sent there is nothing to report on (RFC 3550 6.4). Where it went on a moment ago, a report is not due yet.
  const at = Math.max(newest, since) + dueMs;
  return now <= at || reported.some(isUnreported) ? deadAt(at, now) : 'alive';
}

function isUnreported({ sent, receiverReport }: ForkReport): boolean {
  return (sent.at(-1)?.lastAt ?? 0) > (receiverReport?.at ?? 0);
}

/** Media was sent without a pause since its last report. */
function flows(fork: ForkReport, now: number): boolean {
  const { sent, receiverReport } = fork;
  if (receiverReport === undefined || !isUnreported(fork)) return false;
  const packets = (sent.at(-1)?.last ?? 0) - receiverReport.highestSequence;
  return packets * packetMsMax >= now - receiverReport.at;
}

function deadAt(at: number, now: number): Verdict {
  return now > at ? 'dead' : { waitMs: at - now + 1 };
}

/** What an error of the session client says of the recorder. */
export function failureReason(error: unknown): FailureReason {
  if (!(error instanceof TandemError)) return 'sip_error';
  if (error.code === 'SESSION_TIMEOUT') return 'sip_timeout';
  return error.code === 'SESSION_TRANSPORT' ? 'sip_closed' : 'sip_error';
}

/** Whether the recorder failed, and not we. */
export function isOfRecorder(error: unknown): boolean {
  return error instanceof TandemError && /^(SESSION|SIPREC)_/.test(error.code);
}

/** What a recorder that said no answered. */
export function refusalOf(error: unknown): SessionRefusal | undefined {
  if (!(error instanceof TandemError) || error.code !== 'SESSION_REFUSED') return undefined;
  const { status, retryAfterMs } = error.details ?? {};
  if (typeof status !== 'number') return undefined;
  return { status, ...(typeof retryAfterMs === 'number' && { retryAfterMs }) };
}
