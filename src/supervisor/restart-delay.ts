export interface RestartSettings {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** A process that lived this long has earned a quick start. */
export const steadyMs = 30_000;

/**
 * How long after a death the process is started again, in ms: each time twice as long, until it has lived for a while.
 *
 * @param beforeMs what was waited before its last start, if it died before
 */
export function restartDelay(
  beforeMs: number | undefined,
  livedMs: number,
  { initialMs, maxMs }: RestartSettings,
): number {
  const isSteady = beforeMs === undefined || livedMs > steadyMs;
  return isSteady ? initialMs : Math.min(beforeMs * 2, maxMs);
}
