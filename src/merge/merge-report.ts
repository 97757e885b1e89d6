import type { PartyName } from '../recorder/session-file.ts';
import type { Complaint } from './capture-input.ts';

/** `merge.json`, and what `tandem merge --report json` prints. Times in ms of media, by the stream's packet time. */
export interface MergeReport {
  /** The folder written; null when nothing was merged. */
  readonly out: string | null;
  readonly verdict: string;
  readonly inputs: readonly InputReport[];
  readonly streams: readonly StreamReport[];
  readonly duplicatesRemoved: number;
  readonly differenceCount: number;
  /** The first thousand of each SSRC. */
  readonly differences: readonly DifferenceReport[];
  /** Streams of foreign captures that no recording of the call knows. */
  readonly leftOut: readonly {
    readonly input: string;
    readonly ssrc: number;
    readonly packets: number;
  }[];
  readonly complaints: readonly Complaint[];
}

export interface InputReport {
  readonly name: string;
  readonly file: string;
  readonly recordId: string | null;
  readonly merged: boolean;
  readonly packets: number;
  readonly rtpPackets: number;
  readonly rtcpPackets: number;
  /** Parts of IP datagrams; they are not put together. */
  readonly fragments: number;
  /** Cut by the capture's snap length. */
  readonly cutPackets: number;
  readonly otherPackets: number;
  /** Its clock less the first input's, when they are plainly apart. */
  readonly clockOffsetMs: number;
}

export interface RangeReport {
  readonly ssrc: number;
  /** As in the packets: 16 bits. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly packets: number;
  readonly ms: number;
}

export interface MissingReport {
  readonly packets: number;
  readonly ms: number;
  readonly rangeCount: number;
  /** The first thousand of each SSRC. */
  readonly ranges: readonly RangeReport[];
}

export interface StreamReport {
  readonly label: string;
  readonly party: PartyName | null;
  readonly ssrcs: readonly number[];
  readonly packets: number;
  readonly duplicatesRemoved: number;
  readonly differenceCount: number;
  /** What no input has. */
  readonly missing: MissingReport;
  /** What each input has and has not, of all from the first packet to the last of any input. */
  readonly inputs: readonly {
    readonly name: string;
    readonly packets: number;
    readonly missed: MissingReport;
  }[];
}

export interface DifferenceReport {
  readonly label: string;
  readonly ssrc: number;
  readonly sequence: number;
  readonly timestamp: number;
  readonly what: 'payload' | 'payload type' | 'timestamp';
  readonly kept: string;
  readonly other: string;
}
