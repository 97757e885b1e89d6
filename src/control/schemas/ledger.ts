import { z } from 'zod';
import type {
  Ledger,
  LegStreamLedger,
  StreamLedger,
  TimedRange,
} from '../../recording/account/ledger.ts';
import type { Verdict } from '../../recording/account/verdict.ts';

const count = z.int().min(0);
const leg = z.literal([1, 2]);
const timestamp = z.string().describe('RFC 3339');

const verdict: z.ZodType<Verdict> = z
  .union([
    z.literal('complete'),
    z.literal('complete-by-merge'),
    z.literal('unproven'),
    z.literal('no-media'),
    z.templateLiteral(['missing ', z.int(), ' ms']),
  ])
  .describe(
    '`complete`: reports prove that all was received. `complete-by-merge`, of a call only: what one leg lacks is proven on the other. ' +
      '`unproven`: nothing is known to be missing, and not all of it is proven. `no-media`: a party that was to send never did',
  );

const range: z.ZodType<TimedRange> = z
  .strictObject({
    first: count,
    last: count,
    firstAt: timestamp,
    lastAt: timestamp,
  })
  .describe(
    'Inclusive, extended sequence numbers; times of arrival, exact where a copy began or ended, else between their neighbours’',
  )
  .meta({ id: 'LedgerRange' });

const legStream: z.ZodType<LegStreamLedger> = z.strictObject({
  leg,
  confirmed: z.array(range).describe('Reports of the recorder prove that it received these'),
  unconfirmed: z.array(range).describe('Sent to a live recorder whose reports do not prove that'),
  replayed: z.array(range).describe('Sent out of the ring; also in one of the two above'),
  missing: z.array(range).describe('Was to be recorded, and no live recorder of this leg got it'),
  missingMs: z.number(),
  reportedLostPackets: count.describe(
    'Lost on the way to the recorder, besides `missing`: at least',
  ),
  reportedLostPacketsAtMost: count,
  unprovenPackets: count.describe('Nothing proves that the recorder has them, nor that it has not'),
});

const stream: z.ZodType<StreamLedger> = z.strictObject({
  party: z.enum(['a', 'b']),
  ssrc: count,
  packetMs: z.number().describe('Media time of one packet'),
  received: z.array(range),
  receivedPackets: count,
  exactFrom: count.exactOptional().describe('What lies before is known by its outline only'),
  lostBeforeUs: z.array(range).describe('Gaps in what arrived'),
  lostBeforeUsPackets: count,
  lostInUs: z
    .strictObject({ ranges: z.array(range), kernelDrops: count })
    .describe('Left the ring unsent on every leg, or dropped by the kernel. Must be empty'),
  noMedia: z.boolean().describe('The party was to send, and not one packet came'),
  ssrcChanges: z.array(
    z.strictObject({
      at: z.number().describe('Unix ms'),
      from: count,
      to: count,
      sequence: count.describe('First under the new SSRC'),
    }),
  ),
  legs: z.array(legStream),
  missingFromUnion: z.array(range).describe('On no leg at all'),
  missingFromUnionMs: z.number(),
});

export const ledgerBody: z.ZodType<Ledger> = z
  .strictObject({
    callId: z.string(),
    streams: z.array(stream),
    legs: z.array(z.strictObject({ leg, verdict })),
    verdict,
  })
  .meta({ id: 'Ledger' });
