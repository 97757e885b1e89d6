/** ITU-T G.711: one byte to one 16-bit linear sample, by table. */

export const MU_LAW: Int16Array = Int16Array.from({ length: 256 }, (_value, byte) => {
  const bits = ~byte & 0xff;
  const magnitude = (((bits & 0x0f) << 3) + 0x84) << ((bits & 0x70) >> 4);
  return (bits & 0x80) === 0 ? magnitude - 0x84 : 0x84 - magnitude;
});

export const A_LAW: Int16Array = Int16Array.from({ length: 256 }, (_value, byte) => {
  const bits = byte ^ 0x55;
  const segment = (bits & 0x70) >> 4;
  const base = ((bits & 0x0f) << 4) + (segment === 0 ? 8 : 0x108);
  const magnitude = segment > 1 ? base << (segment - 1) : base;
  return (bits & 0x80) === 0 ? -magnitude : magnitude;
});

export function decodeG711(table: Int16Array, payload: Uint8Array): Int16Array {
  const samples = new Int16Array(payload.length);
  for (let index = 0; index < payload.length; index += 1) {
    samples[index] = table[payload[index] ?? 0] ?? 0;
  }
  return samples;
}
