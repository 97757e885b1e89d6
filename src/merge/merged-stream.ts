import type { PartyName, PayloadEpoch, SessionStream } from '../recorder/session-file.ts';
import { DisjointSets } from './disjoint-sets.ts';
import type { Endpoints } from './endpoints.ts';
import { allStaticPayloads } from '../rtp/static-payloads.ts';
import { follows } from './stream-grouping.ts';
import type { Lane, UnitedStream } from './united-stream.ts';

type Payload = PayloadEpoch['payloads'][number];

const FIRST_DYNAMIC = 96;
/** RFC 4733 section 2.3. */
const TELEPHONE_EVENT_BYTES = 4;

/** One stream of the output: all SSRCs that one party sent it under. */
export interface MergedStream extends SessionStream {
  readonly label: string;
  readonly party: PartyName | null;
  readonly united: readonly UnitedStream[];
  readonly endpoints: Endpoints;
}

/** Joins what is one party's: the same interface or 5-tuple of an input, the same participant, one sender's new start. */
export function mergedStreams(united: readonly UnitedStream[]): MergedStream[] {
  const sets = new DisjointSets(united.length);
  const known = new Map<string, number>();
  for (const [at, stream] of united.entries()) {
    for (const { input, track } of stream.lanes) {
      const keys = [`${input.index} ${track.flow}`];
      // Labels are scoped to their session (RFC 7865 6.5); participants' ids are the same in all sessions of a call.
      const session = sessionOf({ input, track });
      const participant = session?.party?.participantId;
      if (session !== undefined && participant !== undefined) {
        keys.push(`${participant} ${session.label}`);
      }
      for (const key of keys) {
        const other = known.get(key);
        if (other === undefined) known.set(key, at);
        else sets.join(other, at);
      }
    }
    for (const [other, before] of united.slice(0, at).entries()) {
      if (follows(before, stream)) sets.join(other, at);
    }
  }
  const groups = Map.groupBy(united.keys(), (at) => sets.find(at));
  const labels = new Set<string>();
  const streams = [...groups.values()].map((members) =>
    describe(
      members.flatMap((at) => united[at] ?? []),
      labels,
    ),
  );
  const inOrder = (label: string) => Number(/^\d+$/.test(label) ? label : Infinity);
  return streams.sort((x, y) => compare(inOrder(x.label), inOrder(y.label)));
}

function describe(united: UnitedStream[], labels: Set<string>): MergedStream {
  const lanes = united.flatMap((stream) => stream.lanes);
  const [first] = lanes;
  if (first === undefined) throw new Error('a stream without packets');
  const sessions = lanes.flatMap((lane) => sessionOf(lane) ?? []);
  let label = sessions[0]?.label;
  label ??= `ssrc-${first.track.ssrc.toString(16).padStart(8, '0')}`;
  for (let count = 2; labels.has(label); count += 1)
    label = `${label.replace(/#\d+$/, '')}#${count}`;
  labels.add(label);
  const epochs = sessions.find((session) => session.epochs.length > 0)?.epochs ?? [];
  return {
    label,
    party: sessions.find(({ party }) => party !== null)?.party ?? null,
    united,
    endpoints: first.track.endpoints,
    epochs: epochs.length > 0 ? epochs : [{ at: 0, payloads: guessPayloads(united) }],
  };
}

function sessionOf({ input, track }: Pick<Lane, 'input' | 'track'>): SessionStream | undefined {
  return input.recording?.streams[track.streamIndex ?? -1];
}

/** Without SDP: the static numbers, and a dynamic number that only ever carries four bytes is digits. */
function guessPayloads(united: readonly UnitedStream[]): Payload[] {
  const payloads: Payload[] = allStaticPayloads();
  const bytesMax = new Map<number, number>();
  for (const { run } of united.flatMap((stream) => stream.lanes)) {
    for (const [type, use] of run.payloadTypes) {
      bytesMax.set(type, Math.max(bytesMax.get(type) ?? 0, use.payloadBytesMax));
    }
  }
  for (const [payloadType, bytes] of bytesMax) {
    if (payloadType < FIRST_DYNAMIC || bytes !== TELEPHONE_EVENT_BYTES) continue;
    payloads.push({ payloadType, encodingName: 'telephone-event', clockRate: 8_000, channels: 1 });
  }
  return payloads;
}

function compare(one: number, other: number): number {
  return one === other ? 0 : one < other ? -1 : 1;
}
