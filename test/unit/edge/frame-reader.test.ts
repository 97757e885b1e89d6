import { describe, expect, it } from 'vitest';
import { FrameReader } from '../../../src/edge/frame-reader.ts';
import { answerBytesMax } from '../../../src/edge/wire.ts';

function frame(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.byteLength(text));
  return Buffer.concat([length, Buffer.from(text)]);
}

const stream = Buffer.concat([frame('one'), frame('two two'), frame('3')]);

describe('FrameReader', () => {
  it.each([1, 2, 3, 5, 8, 100])('finds the frames in pieces of %i bytes', (size) => {
    const reader = new FrameReader();
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      for (const bytes of reader.push(stream.subarray(at, at + size))) found.push(String(bytes));
    }
    expect(found).toEqual(['one', 'two two', '3']);
  });

  it('takes no frame that is longer than any may be', () => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(answerBytesMax + 1);
    expect(() => [...new FrameReader().push(length)]).toThrow(RangeError);
  });
});
