import type { ForkSigns } from '../edge/types.ts';
import type { MediaSigns, Party } from '../recording/interfaces.ts';

export const noMediaSigns: MediaSigns = {
  streams: {},
  refusedAt: 0,
  doubtedAt: 0,
  unsendableAt: 0,
};

/** Adds what a recorder has shown of itself on one stream to what it has shown on the other. */
export function withStream(
  { streams, refusedAt, doubtedAt, unsendableAt }: MediaSigns,
  party: Party,
  signs: ForkSigns,
): MediaSigns {
  const { reportedAt, receiverReports, fractionLost, sentSinceReport, sendingSince } = signs;
  const shown = { reportedAt, receiverReports, fractionLost, sentSinceReport, sendingSince };
  return {
    streams: { ...streams, [party]: shown },
    refusedAt: earliest(refusedAt, signs.refusedAt),
    doubtedAt: Math.max(doubtedAt, signs.doubtedAt),
    unsendableAt: earliest(unsendableAt, signs.unsendableAt),
  };
}

/** 0 is no time. */
function earliest(left: number, right: number): number {
  if (left === 0 || right === 0) return Math.max(left, right);
  return Math.min(left, right);
}
