import type { MediaLine } from './sdp.ts';

/** What a report's datagram may carry of either block, in bytes: an MTU less all that stands around it. */
const blockBytesMax = 1_200;

/**
 * The reports by range that an SRC asks for and gets (RFC 3611 sections 4.1, 4.2 and 5.1), in its own words. A line that allows
 * only small blocks gets none: what they could not hold would be missing. Duplicates are reported beside losses only.
 */
export function rangeReportsOf({ rtcpXr }: MediaLine): readonly string[] {
  const granted = ['pkt-loss-rle', 'pkt-dup-rle'].filter((format) =>
    rtcpXr?.some((offered) => {
      const [name, bytes] = offered.split('=', 2);
      return name === format && (bytes === undefined || Number(bytes) >= blockBytesMax);
    }),
  );
  return granted[0] === 'pkt-loss-rle' ? granted : [];
}
