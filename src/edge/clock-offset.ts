import { systemClock } from '../clock.ts';

const readings = 10;

const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** From the monotonic clock, which the addon reads itself, to the process's, in ms: by the closest of some readings of both. */
export function clockOffset(): number {
  let closestMs = Infinity;
  let offset = 0;
  for (let i = 0; i < readings; i += 1) {
    const before = monotonicMs();
    const now = systemClock.now();
    const apartMs = monotonicMs() - before;
    if (apartMs >= closestMs) continue;
    closestMs = apartMs;
    offset = now - before - apartMs / 2;
  }
  return offset;
}
