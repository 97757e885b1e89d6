import type { CaptureIndex } from './capture-index.ts';
import type { CaptureInput, Complaint } from './capture-input.ts';
import type { Grouping, Stranger } from './stream-grouping.ts';
import type { UnitedStream } from './united-stream.ts';

const STRANGERS_SHOWN_MAX = 20;

/** The inputs that are of one call: those that have most to do with each other. Empty when none have. */
export function chooseFamily(
  indexes: readonly CaptureIndex[],
  { families, strangers }: Grouping,
  complaints: Complaint[],
): CaptureInput[] {
  const [chosen] = families;
  if (chosen === undefined) return [];
  const isAlone = chosen.length === 1 && indexes.length > 1;
  const family = isAlone
    ? []
    : indexes.map(({ input }) => input).filter(({ index }) => chosen.includes(index));
  const nameOf = (index: number) =>
    indexes.find(({ input }) => input.index === index)?.input.name ?? '';
  for (const { input } of indexes) {
    if (family.includes(input)) continue;
    const reason = whyAlone(input, indexes, strangers, nameOf);
    complaints.push({
      input: input.name,
      file: input.file,
      offset: null,
      message: `does not belong together with ${isAlone ? 'any other input' : 'the others'}: ${reason}; left out`,
    });
  }
  const inside = strangers.filter(
    ({ input, other }) =>
      input !== other &&
      family.some(({ index }) => index === input) &&
      family.some(({ index }) => index === other),
  );
  for (const stranger of inside.slice(0, STRANGERS_SHOWN_MAX)) {
    const input = family.find(({ index }) => index === stranger.input);
    complaints.push({
      input: input?.name ?? null,
      file: input?.file ?? null,
      offset: null,
      message: `${describe(stranger, nameOf)}; kept as a stream of its own`,
    });
  }
  return family;
}

function whyAlone(
  input: CaptureInput,
  indexes: readonly CaptureIndex[],
  strangers: readonly Stranger[],
  nameOf: (index: number) => string,
): string {
  const stranger = strangers.find((one) => one.input === input.index || one.other === input.index);
  if (stranger !== undefined) return describe(stranger, nameOf);
  const own = indexes.find((index) => index.input === input);
  const ssrcs = [...new Set([...(own?.tracks.values() ?? [])].map(({ ssrc }) => hex(ssrc)))];
  const shown = ssrcs.slice(0, 8).join(', ');
  return `no stream in common (its SSRCs: ${shown}${ssrcs.length > 8 ? ', ...' : ''})`;
}

function describe(
  { input, other, ssrc, reason }: Stranger,
  nameOf: (index: number) => string,
): string {
  const what =
    reason === 'other-payloads'
      ? 'the same packets but other payloads'
      : 'sequence numbers and timestamps that do not fit together';
  return `SSRC ${hex(ssrc)} of ${nameOf(input)} and of ${nameOf(other)} has ${what}`;
}

export interface FamilyStreams {
  readonly kept: UnitedStream[];
  /** Of foreign captures only, where recordings say which streams the call has. */
  readonly leftOut: UnitedStream[];
}

/** A capture from a recorder's host may hold other calls: they stay out when a recording tells what this call is. */
export function streamsOf(family: readonly CaptureInput[], { streams }: Grouping): FamilyStreams {
  const ofFamily = streams.filter(({ lanes }) => lanes.some(({ input }) => family.includes(input)));
  const hasRecording = family.some(({ recording }) => recording !== undefined);
  const isOfCall = ({ lanes }: UnitedStream) =>
    !hasRecording || lanes.some(({ input }) => input.recording !== undefined);
  return {
    kept: ofFamily.filter(isOfCall),
    leftOut: ofFamily.filter((stream) => !isOfCall(stream)),
  };
}

function hex(ssrc: number): string {
  return `0x${ssrc.toString(16).padStart(8, '0')}`;
}
