import { getSupportedRtpCapabilities } from 'mediasoup';
import type { RouterRtpCodecCapability } from 'mediasoup/types';
import type { Payload } from '../recording/interfaces.ts';

/**
 * A mediasoup consumer forwards only payload types that are declared as a media codec it knows, so telephone-event, CN and
 * G.729 would be dropped. It does not look into audio payloads and takes only the first codec's clock rate (for RTCP), so any
 * audio codec's name will do for the others, each name with its rate and channels once in a Router.
 */
export interface StandInCodec {
  readonly payloadType: number;
  readonly mimeType: string;
  readonly clockRate: number;
  readonly channels: number;
  readonly parameters: Readonly<Record<string, string | number>>;
}

type CodecName = Omit<StandInCodec, 'payloadType'>;

/** Not media codecs in mediasoup's eyes: a consumer drops what is declared so. */
const complementary = new Set(['audio/cn', 'audio/telephone-event', 'audio/red']);

/** Codecs that say something else than speech: never what a stream's clock is taken from. */
const auxiliary = new Set(['telephone-event', 'cn', 'red']);

export function carriableCodecs(): readonly CodecName[] {
  return (getSupportedRtpCapabilities().codecs ?? [])
    .filter(({ kind, mimeType }) => kind === 'audio' && !complementary.has(mimeType.toLowerCase()))
    .map(({ mimeType, clockRate, channels = 1, parameters = {} }) => ({
      mimeType,
      clockRate,
      channels,
      parameters: parameters as Record<string, string | number>,
    }));
}

/**
 * One stand-in for each payload type, the leading codec first: its own name if there is one, else one of the same clock
 * rate, else any that is left. Undefined where the set cannot be carried: more payload types than names, or a leading
 * codec whose clock rate no name has.
 */
export function assignStandIns(
  payloads: readonly Payload[],
  names: readonly CodecName[] = carriableCodecs(),
): readonly StandInCodec[] | undefined {
  const leading = payloads.find(({ encodingName }) => !auxiliary.has(encodingName.toLowerCase()));
  const first = leading ?? payloads[0];
  if (!first || payloads.length > names.length) return undefined;
  const ordered = [first, ...payloads.filter((payload) => payload !== first)];

  const free = [...names];
  const assigned = new Map<Payload, CodecName>();
  const take = (payload: Payload, fits: (name: CodecName) => boolean): void => {
    if (assigned.has(payload)) return;
    const index = free.findIndex(fits);
    const [name] = index === -1 ? [] : free.splice(index, 1);
    if (name) assigned.set(payload, name);
  };
  for (const payload of ordered) {
    const mimeType = `audio/${payload.encodingName}`.toLowerCase();
    take(
      payload,
      (name) =>
        name.mimeType.toLowerCase() === mimeType &&
        name.clockRate === payload.clockRate &&
        name.channels === payload.channels,
    );
  }
  for (const payload of ordered) take(payload, (name) => name.clockRate === payload.clockRate);
  if (!assigned.has(first)) return undefined;
  for (const payload of ordered) take(payload, () => true);

  return ordered.map((payload) => {
    const { payloadType } = payload;
    const name = assigned.get(payload);
    return { payloadType, ...(name as CodecName) };
  });
}

export function routerCodecs(codecs: readonly StandInCodec[]): RouterRtpCodecCapability[] {
  return codecs.map(({ payloadType, mimeType, clockRate, channels, parameters }) => ({
    kind: 'audio',
    mimeType,
    clockRate,
    channels,
    parameters: { ...parameters },
    preferredPayloadType: payloadType,
  }));
}
