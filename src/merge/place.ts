/**
 * Where an RTP datagram lies in its file, in one number that a Float64 holds exactly: 37 bits of offset (128 GiB) and
 * 16 bits of length. Never 0, as no datagram is empty.
 */

const LENGTHS = 65_536;
export const FILE_BYTES_MAX = 2 ** 37;

export function placeOf(offset: number, length: number): number {
  return offset * LENGTHS + length;
}

export function offsetOf(place: number): number {
  return Math.floor(place / LENGTHS);
}

export function lengthOf(place: number): number {
  return place % LENGTHS;
}
