import { describe, expect, it } from 'vitest';
import { DEFAULT_SIP_LIMITS } from '../../../src/sip/limits.ts';
import type { ParseOutcome } from '../../../src/sip/message/parse.ts';
import { serialize } from '../../../src/sip/message/serialize.ts';
import { StreamFramer } from '../../../src/sip/message/stream-framer.ts';
import { request } from './support/messages.ts';
import { cpuMs } from '../../support/cpu.ts';

const body = Buffer.from('--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n');
const message = serialize({ ...request('INVITE'), body });

/** Pushes in pieces of that size. */
function push(framer: StreamFramer, bytes: Buffer, chunkBytes: number) {
  const outcomes: ParseOutcome[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const result = framer.push(bytes.subarray(at, at + chunkBytes));
    outcomes.push(...result.outcomes);
    if (result.broken !== undefined) return { outcomes, broken: result.broken };
  }
  return { outcomes, broken: undefined };
}

describe('StreamFramer', () => {
  it.each([1, 2, 3, 7, 64, 100_000])('finds three messages in chunks of %i bytes', (chunkBytes) => {
    const framer = new StreamFramer(DEFAULT_SIP_LIMITS);
    const stream = Buffer.concat([message, Buffer.from('\r\n\r\n'), message, message]);
    const { outcomes, broken } = push(framer, stream, chunkBytes);
    expect(broken).toBeUndefined();
    expect(outcomes.map((outcome) => outcome.ok && outcome.message.body)).toEqual([
      body,
      body,
      body,
    ]);
    expect(framer.pendingBytes).toBe(0);
  });

  it('goes on after a message that is wrong but well framed', () => {
    const wrong = Buffer.from(message.toString().replace('CSeq: 1 INVITE', 'CSeq: x INVITE'));
    const { outcomes } = push(
      new StreamFramer(DEFAULT_SIP_LIMITS),
      Buffer.concat([wrong, message]),
      50,
    );
    expect(outcomes).toMatchObject([{ ok: false, status: 400 }, { ok: true }]);
  });

  it.each([
    ['no Content-Length', (text: string) => text.replace(/Content-Length: \d+/, 'X: y'), 400],
    ['a negative one', (text: string) => text.replace(/Content-Length: /, '$&-'), 400],
    ['two that differ', (text: string) => text.replace(/Content-Length: /, 'l: 3\r\n$&'), 400],
    ['one beyond the limit', (text: string) => text.replace(/Content-Length: /, '$&99999'), 413],
  ])('gives up at %s and reads nothing after it', (_, change, status) => {
    const framer = new StreamFramer(DEFAULT_SIP_LIMITS);
    const bytes = Buffer.concat([Buffer.from(change(message.toString())), message]);
    expect(framer.push(bytes)).toMatchObject({ outcomes: [], broken: { status } });
    expect(framer.push(message)).toEqual({ outcomes: [], broken: undefined });
    expect(framer.pendingBytes).toBe(0);
  });

  it('gives up on a head without end, holding no more than the limit', () => {
    const framer = new StreamFramer({ ...DEFAULT_SIP_LIMITS, headerBytes: 1_000 });
    const { broken } = push(framer, Buffer.alloc(5_000, 'x'), 10);
    expect(broken).toMatchObject({ status: 513, request: undefined });
  });

  it('drops line ends between messages at once, whatever their number', () => {
    const framer = new StreamFramer(DEFAULT_SIP_LIMITS);
    const before = cpuMs();
    for (let i = 0; i < 100; i++) framer.push(Buffer.from('\r\n'.repeat(30_000)));
    expect(cpuMs() - before).toBeLessThan(500);
    expect(framer.pendingBytes).toBe(0);
  });

  it('takes a big body byte by byte in linear time', () => {
    const big = serialize({ ...request('INVITE'), body: Buffer.alloc(200_000, 'b') });
    const before = cpuMs();
    const { outcomes } = push(new StreamFramer(DEFAULT_SIP_LIMITS), big, 1);
    expect(outcomes).toHaveLength(1);
    expect(cpuMs() - before).toBeLessThan(1_000);
  });
});
