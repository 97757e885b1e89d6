import type { Party } from '../interfaces.ts';

/** For how long a party was to send, as negotiated: all of it before `since`, Unix ms, in `ms`. Pure. */
export interface ToSend {
  readonly ms: number;
  /** It is to send. */
  readonly since?: number;
}

export type BothToSend = Readonly<Record<Party, ToSend>>;

export const neverToSend: BothToSend = { a: { ms: 0 }, b: { ms: 0 } };

/** What was negotiated now holds from now on. */
export function negotiated(
  before: BothToSend,
  sends: Readonly<Record<Party, boolean>>,
  now: number,
): BothToSend {
  const of = (party: Party): ToSend => {
    const { since = now } = before[party];
    return sends[party] ? { ...before[party], since } : { ms: toSendMs(before[party], now) };
  };
  return { a: of('a'), b: of('b') };
}

function toSendMs({ ms, since }: ToSend, now: number): number {
  return ms + (since === undefined ? 0 : now - since);
}

/** It is to send, and was for so long: should it never have been heard, something is wrong. */
export function isOverdue(one: ToSend, noMediaMs: number, now: number): boolean {
  return one.since !== undefined && toSendMs(one, now) >= noMediaMs;
}

/** In a call that lasted so long it was to send for long enough to be missed: all of that time, if it was shorter. */
export function wasToSend(one: ToSend, lastedMs: number, noMediaMs: number, now: number): boolean {
  const ms = toSendMs(one, now);
  const isEver = one.since !== undefined || ms > 0;
  return isEver && ms >= Math.min(noMediaMs, lastedMs);
}
