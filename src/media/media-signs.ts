import type { ForkSigns } from '../edge/types.ts';
import type { MediaSigns } from '../recording/interfaces.ts';

/** One fork's part in what its recorder has shown. `held`: the recorder does not want this stream now, so nothing is held against it. */
export function mediaSigns(signs: ForkSigns, held: boolean): MediaSigns {
  const { reportedAt, receiverReports, fractionLost, sentSinceReport } = signs;
  const reports = { reportedAt, receiverReports, fractionLost, sentSinceReport };
  if (held) {
    return { ...reports, sendingSince: 0, refusedAt: 0, doubtedAt: 0, unsendableAt: 0, live: true };
  }
  const { sendingSince, refusedAt, doubtedAt, unsendableAt, live } = signs;
  return { ...reports, sendingSince, refusedAt, doubtedAt, unsendableAt, live };
}

/** A recorder that reports on one stream reports on the other: the one that was left alone longer tells. */
export function worse(left: MediaSigns, right: MediaSigns): MediaSigns {
  const [silent, other] =
    left.sentSinceReport >= right.sentSinceReport ? [left, right] : [right, left];
  return {
    ...silent,
    fractionLost: Math.max(silent.fractionLost, other.fractionLost),
    sendingSince: earliest(left.sendingSince, right.sendingSince),
    refusedAt: earliest(left.refusedAt, right.refusedAt),
    doubtedAt: Math.max(left.doubtedAt, right.doubtedAt),
    unsendableAt: earliest(left.unsendableAt, right.unsendableAt),
    live: left.live && right.live,
  };
}

/** 0 is no time. */
function earliest(left: number, right: number): number {
  if (left === 0 || right === 0) return Math.max(left, right);
  return Math.min(left, right);
}
