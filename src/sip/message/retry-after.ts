/** Ten days: nobody means more, and timers stay timers. */
const SECONDS_MAX = 864_000;

/**
 * RFC 3261 section 20.33: seconds, a comment in brackets, parameters (`18000;duration=3600`, `120 (draining)`).
 * @returns undefined for anything else
 */
export function parseRetryAfterMs(value: string): number | undefined {
  const seconds = /^\s*(\d+)\s*(?=$|[(;])/.exec(value)?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds), SECONDS_MAX) * 1_000;
}
