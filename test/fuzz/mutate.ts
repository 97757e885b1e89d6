/** Some bytes changed, cut off, put in, or taken from `other`; at most 2,000 of them. */
export function mutate(input: Buffer, other: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(input);
  for (let rounds = 1 + random(4); rounds > 0; --rounds) {
    const at = random(bytes.length + 1);
    switch (random(6)) {
      case 0:
        if (at < bytes.length) bytes[at] = random(256);
        break;
      case 1:
        if (at < bytes.length) bytes[at]! ^= 1 << random(8);
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(random(other.length + 1))]);
        break;
      case 4:
        bytes = Buffer.concat([bytes, Buffer.alloc(random(64), random(256))]);
        break;
      default:
        // Where lengths and counts are.
        if (bytes.length >= 4) bytes[random(4)] = [0, 1, 0x7f, 0x80, 0x9f, 0xff][random(6)]!;
    }
    if (bytes.length > 2_000) bytes = bytes.subarray(0, 2_000);
  }
  return bytes;
}
