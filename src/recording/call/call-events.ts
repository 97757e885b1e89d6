import type { Marks } from '../account/records.ts';
import type { Leg } from '../call-state.ts';
import type { Party } from '../interfaces.ts';
import type { LegEvent } from '../leg/leg-events.ts';
import type { Asked, LegSummary } from './call-data.ts';

export type CallEvent =
  | ({ readonly type: 'asked' } & Asked)
  /** Which packets come next, now that a recording goes on. */
  | { readonly type: 'marked'; readonly marks: Marks }
  /** The bridge has done it; `sdp`: what it answers with; `sends`: who is to send as is negotiated now. */
  | {
      readonly type: 'media-done';
      readonly sdp: string;
      readonly sends: Readonly<Record<Party, boolean>>;
    }
  | { readonly type: 'media-failed'; readonly error: unknown }
  /** Its ports are closed, or it cannot be helped. */
  | { readonly type: 'media-closed' }
  /** Another process goes on with it: what was being done is done again. */
  | { readonly type: 'adopted' }
  /** Of the newest recording. */
  | { readonly type: 'legs'; readonly legs: readonly LegSummary[] };

/** What the asker gets: the SDP for the other party, or nothing but that it is done. */
export type Reply = { readonly sdp: string } | Record<string, never>;

export type CallEffect =
  | { readonly do: 'mark' }
  | { readonly do: 'make-legs'; readonly recording: number; readonly legs: readonly Leg[] }
  /** To all legs of the newest recording. */
  | { readonly do: 'legs'; readonly event: LegEvent }
  /** They may be as they are to be already. */
  | { readonly do: 'see-legs' }
  | { readonly do: 'open-media' }
  | { readonly do: 'answer-media'; readonly sdp: string }
  | { readonly do: 'reoffer-media'; readonly party: Party; readonly sdp: string }
  | { readonly do: 'reject-media' }
  | { readonly do: 'close-media' }
  /** This recording is over: its final account. */
  | { readonly do: 'account'; readonly recording: number }
  | { readonly do: 'reply'; readonly id: number; readonly reply: Reply }
  | { readonly do: 'fail'; readonly id: number; readonly error: unknown };
