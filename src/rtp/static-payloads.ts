/** RFC 3551 section 6, tables 4: audio payload types that need no rtpmap. G.722 states 8,000 Hz although it samples at 16,000. */
const staticPayloads: Readonly<
  Record<number, readonly [name: string, clockRate: number, channels: number]>
> = {
  0: ['PCMU', 8_000, 1],
  3: ['GSM', 8_000, 1],
  4: ['G723', 8_000, 1],
  5: ['DVI4', 8_000, 1],
  6: ['DVI4', 16_000, 1],
  7: ['LPC', 8_000, 1],
  8: ['PCMA', 8_000, 1],
  9: ['G722', 8_000, 1],
  10: ['L16', 44_100, 2],
  11: ['L16', 44_100, 1],
  12: ['QCELP', 8_000, 1],
  13: ['CN', 8_000, 1],
  14: ['MPA', 90_000, 1],
  15: ['G728', 8_000, 1],
  16: ['DVI4', 11_025, 1],
  17: ['DVI4', 22_050, 1],
  18: ['G729', 8_000, 1],
};

export interface StaticPayload {
  readonly payloadType: number;
  readonly encodingName: string;
  readonly clockRate: number;
  readonly channels: number;
}

export function staticPayload(payloadType: number): StaticPayload | undefined {
  const entry = staticPayloads[payloadType];
  if (entry === undefined) return undefined;
  const [encodingName, clockRate, channels] = entry;
  return { payloadType, encodingName, clockRate, channels };
}

export function allStaticPayloads(): StaticPayload[] {
  return Object.keys(staticPayloads).flatMap((key) => staticPayload(Number(key)) ?? []);
}
