import type { FailureReason, SessionRefusal } from '../recording/interfaces.ts';

/**
 * What a recorder's refusal of a session says. `call`: this one is not for it, the next may be. `load`: nothing more for
 * `waitMs`; undefined: it does not say how long. `recorder`: none will be taken until somebody mends it or its address.
 */
export type RefusalMeaning =
  | { readonly about: 'call' }
  | { readonly about: 'load'; readonly waitMs: number | undefined }
  | { readonly about: 'recorder'; readonly reason: FailureReason };

/** Longest that Retry-After is followed: a recorder that errs by a digit is not lost for good. */
const waitMsMax = 3_600_000;

/** Where Retry-After says when its sender will take calls again (RFC 3261 20.33), but for 413, which is about one request. */
const timed: ReadonlySet<number> = new Set([404, 480, 486, 500, 503, 600, 603]);

/** The address is not, or no longer, a recorder's (RFC 3261 21.3, 21.4). */
const moved: ReadonlySet<number> = new Set([301, 302, 305, 404, 410, 416, 482, 483, 484, 485, 604]);
/** It lets nobody in whom it does not know, or does not do what every recording session asks of it. */
const unfit: ReadonlySet<number> = new Set([401, 403, 405, 407, 420]);

/**
 * By RFC 3261 21. 486, 600 and 603 without a time speak of the session that was offered: the next may be welcome; so does every
 * 4xx and 6xx that is not named here.
 */
export function meaningOf({ status, retryAfterMs }: SessionRefusal): RefusalMeaning {
  if (retryAfterMs !== undefined && timed.has(status)) {
    return { about: 'load', waitMs: Math.min(Math.max(0, retryAfterMs), waitMsMax) };
  }
  if (status === 503) return { about: 'load', waitMs: undefined };
  // 408 comes from a proxy on the way that heard nothing of the recorder.
  if (status === 408 || status === 504) return { about: 'recorder', reason: 'sip_timeout' };
  const isServerFailure = status >= 500 && status < 600;
  if (status === 513 || status === 580) return { about: 'call' };
  if (isServerFailure || moved.has(status) || unfit.has(status)) {
    return { about: 'recorder', reason: 'sip_error' };
  }
  return { about: 'call' };
}
