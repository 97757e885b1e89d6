import { z } from 'zod';
import type {
  CallRequest,
  CallState,
  FailoverState,
  LegState,
  PartyState,
  SessionState,
} from '../../recording/call-state.ts';
import type { FailureReason } from '../../recording/interfaces.ts';

/** Text that ends up in SIP headers, metadata and logs: no control characters, no half surrogates. */
const text = (charsMax: number) =>
  z
    .string()
    .min(1)
    .max(charsMax)
    .refine((value) => value.isWellFormed() && !/\p{Cc}/u.test(value), 'no control characters');

const sdp = z.string().min(1).max(65_536).describe('SDP (RFC 8866)');
const party = z.enum(['a', 'b']);
const path = z.enum(['mediasoup', 'direct']);
const count = z.int().min(0);
const timestamp = z.string().describe('RFC 3339');

const callId = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._~:@+-]{0,127}$/,
    'at most 128 letters, digits and . _ ~ : @ + -, a letter or digit first',
  );

export const callParams = z.strictObject({ id: callId });

const partyDescription = z.strictObject({
  aor: text(512).describe('Address of record, a URI'),
  name: text(256).optional(),
});

export const createCallBody: z.ZodType<CallRequest> = z
  .strictObject({
    id: callId.optional().describe('Made up when absent'),
    offer: sdp.describe("Party a's offer"),
    recording: z
      .strictObject({ mode: z.enum(['duplicate', 'single', 'off']).optional() })
      .optional(),
    media: z
      .strictObject({ path: path.optional(), latch: z.enum(['announced', 'any']).optional() })
      .optional(),
    tenant: text(128).optional(),
    site: text(128).optional(),
    parties: z
      .strictObject({ a: partyDescription.exactOptional(), b: partyDescription.exactOptional() })
      .optional(),
  })
  .meta({ id: 'CallRequest' });

export const createdCall = z.strictObject({
  id: callId,
  offer: sdp.describe('The offer to send to party b'),
});

export const answerBody = z
  .strictObject({
    answer: sdp.optional().describe("The other party's answer"),
    rejected: z
      .literal(true)
      .optional()
      .describe('It refused the re-offer (SIP 488): the call goes on as it was'),
  })
  .refine(({ answer, rejected }) => (answer === undefined) !== (rejected === undefined), {
    path: ['answer'],
    error: 'either answer or rejected is needed',
  })
  .describe('Either `answer` or `rejected`');
export const answered = z.union([
  z.strictObject({ answer: sdp.describe('The answer to send to the party that offered') }),
  z.strictObject({ rejected: z.literal(true) }),
]);

export const offerBody = z.strictObject({
  party: party.describe('Who offers'),
  offer: sdp,
});
export const offered = z.strictObject({ offer: sdp.describe('The offer for the other party') });

export const recordingBody = z.strictObject({
  action: z.enum(['pause', 'resume', 'stop', 'start']),
});

export const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  after: callId.optional().describe('`next` of the page before'),
});

const address = z.strictObject({ ip: z.string(), port: z.int() });

const partyState: z.ZodType<PartyState> = z.strictObject({
  local: address.describe('The pinned port'),
  latched: address.nullable().describe('Where its RTP comes from'),
  packets: count,
  upstreamLostPackets: count.describe('Lost before Tandem'),
  refusedPackets: count,
  ssrcChanges: count,
});

const sessionState: z.ZodType<SessionState> = z.strictObject({
  recordId: z.string(),
  recorder: z.string(),
  startedAt: timestamp,
  endedAt: timestamp.nullable(),
  endReason: z.string().nullable(),
});

const legStream = z.strictObject({
  sentPackets: count,
  lostPackets: count.describe(
    'Reached Tandem, but no live recorder of this leg; those that receiver reports count are among them',
  ),
  lostMs: z.number(),
});

const legState: z.ZodType<LegState> = z.strictObject({
  leg: z.literal([1, 2]),
  recordId: z.string().describe('Of the newest session'),
  recorder: z.string().nullable(),
  state: z.enum([
    'selecting',
    'inviting',
    'recording',
    'paused',
    'failing-over',
    'ended',
    'failed',
  ]),
  sessions: z.array(sessionState).describe('Every session of this leg, in order'),
  streams: z.strictObject({ a: legStream, b: legStream }),
});

/** A map, so that none is forgotten: the document would call an answer of ours invalid. */
const reasons = {
  icmp: true,
  unsendable: true,
  media_refused: true,
  sip_closed: true,
  sip_error: true,
  sip_timeout: true,
  options_timeout: true,
  srs_bye: true,
  rtcp_silence: true,
  rtcp_loss: true,
  operator: true,
} satisfies Record<FailureReason, true>;

const failoverShape = {
  leg: z.literal([1, 2]),
  from: z.string(),
  to: z.string().nullable().describe('Null while no recorder could take the leg'),
  reason: z.enum(Object.keys(reasons) as [FailureReason, ...FailureReason[]]),
  at: timestamp,
  detectionMs: z.number().describe('First packet not received to the moment it was known'),
  failoverMs: z
    .number()
    .nullable()
    .describe('From that moment to the first packet sent to the next recorder'),
  lostPackets: count,
  lostMs: z.number(),
  replayedPackets: count,
};

const failoverState: z.ZodType<FailoverState> = z.strictObject(failoverShape);

export const callState: z.ZodType<CallState> = z
  .strictObject({
    id: callId,
    state: z.enum(['offered', 'answered', 'reoffered', 'ended']),
    path: path.describe('The way its media takes'),
    tenant: z.string().exactOptional(),
    site: z.string().exactOptional(),
    parties: z.strictObject({ a: partyState, b: partyState }),
    recordings: z.array(legState),
    failovers: z.array(failoverState),
  })
  .meta({ id: 'Call' });

export const callList = z.strictObject({
  calls: z.array(callState).describe('By id'),
  next: callId.nullable().describe('`after` of the next page; null on the last'),
});

const callFailover: z.ZodType<FailoverState & { readonly callId: string }> = z
  .strictObject({ callId, ...failoverShape })
  .meta({ id: 'Failover' });

export const failoverList = z.strictObject({
  failovers: z.array(callFailover).describe('The last ones, as many as are kept'),
});
