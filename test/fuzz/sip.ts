import assert from 'node:assert';
import { readFileSync, readdirSync } from 'node:fs';
import { DEFAULT_SIP_LIMITS } from '../../src/sip/limits.ts';
import { parseCSeq } from '../../src/sip/message/cseq.ts';
import { parseNameAddr } from '../../src/sip/message/name-addr.ts';
import { parseDatagram } from '../../src/sip/message/parse.ts';
import type { ParseOutcome } from '../../src/sip/message/parse.ts';
import { makeResponse, stampTopVia } from '../../src/sip/message/response.ts';
import { serialize } from '../../src/sip/message/serialize.ts';
import { StreamFramer } from '../../src/sip/message/stream-framer.ts';
import { parseSipUri } from '../../src/sip/message/uri.ts';
import { redirectTargets, remoteContact } from '../../src/sip/ua/contact.ts';
import { DialogState } from '../../src/sip/ua/dialog-state.ts';
import { carriesSdp } from '../../src/sip/ua/offer.ts';

/** No input of up to 64 kB may take longer. Other work on the machine is forgiven by a second look. */
const INPUT_MS_MAX = 100;
const INPUT_BYTES_MAX = 65_535;
const TORTURE = new URL('../../node_modules/sip/test/messages/', import.meta.url);

const INVITE = [
  'INVITE sip:rec-1@192.0.2.1:5060;transport=tcp SIP/2.0',
  'Via: SIP/2.0/TCP [2001:db8::2]:5060;branch=z9hG4bK776;rport, SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKb',
  'Max-Forwards: 70',
  'Record-Route: <sip:p1.example;lr>, <sip:p2.example>',
  'From: "A \\"quoted\\" name" <sip:src@192.0.2.2>;tag=1928301774',
  'To: <sip:rec-1@192.0.2.1>',
  'Call-ID: a84b4c76e66710',
  'CSeq: 314159 INVITE',
  'Contact: <sip:src@192.0.2.2:5060;transport=tcp>;+sip.src',
  'Require: siprec',
  'Content-Type: multipart/mixed;boundary=unique',
].join('\r\n');

const MULTIPART = [
  '--unique',
  'Content-Type: application/sdp',
  '',
  'v=0',
  'm=audio 4000 RTP/AVP 0',
  '--unique',
  'Content-Type: application/rs-metadata+xml',
  'Content-Disposition: recording-session',
  '',
  '<recording xmlns="urn:ietf:params:xml:ns:recording:1"/>',
  '--unique--',
  '',
].join('\r\n');

const OK = [
  'SIP/2.0 302 Moved',
  'v: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1;received=192.0.2.3',
  'f: sip:a@b;tag=1',
  't: <sip:c@d>;tag=2',
  'i: 1@x',
  'CSeq: 1 INVITE',
  'm: <sip:e@f>;q=0.5, "x, y" <sip:g@h;+sip.srs',
  'l: 0',
  '',
  '',
].join('\r\n');

/** What tends to lead parsers astray. */
const TOKENS = [
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\r',
  ' ',
  '\t',
  '\0',
  ';',
  ',',
  '"',
  '\\',
  '<',
  '>',
  '[',
  ']',
  ':',
  '@',
  '=',
  '/',
  '%00',
  'SIP/2.0',
  'Via: ',
  'Content-Length: 0\r\n',
  'Content-Length: 99999999999\r\n',
  'CSeq: 4294967296 ACK\r\n',
  ';tag=',
  '\u00fc',
  '\ufeff',
];

/** mulberry32: the same seed gives the same run. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function corpus(): Buffer[] {
  const torture = readdirSync(TORTURE)
    .filter((file) => file.endsWith('.dat'))
    .map((file) => readFileSync(new URL(file, TORTURE)));
  const length = String(Buffer.byteLength(MULTIPART));
  return [
    ...torture,
    Buffer.from(`${INVITE}\r\nContent-Length: ${length}\r\n\r\n${MULTIPART}`),
    Buffer.from(OK),
    Buffer.from('\r\n\r\n'),
  ];
}

function mutate(seeds: readonly Buffer[], random: (below: number) => number): Buffer {
  const pick = (): Buffer => seeds[random(seeds.length)] ?? Buffer.alloc(0);
  let bytes: Buffer = Buffer.from(pick());
  for (let rounds = random(6); rounds > 0; rounds--) {
    const at = random(bytes.length + 1);
    const end = Math.min(bytes.length, at + random(40));
    switch (random(8)) {
      case 0: // Flip a bit.
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 1: // Cut something out.
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 2: // Put something in.
        bytes = splice(bytes, at, Buffer.from(TOKENS[random(TOKENS.length)] ?? ''));
        break;
      case 3: // Repeat a piece, many times.
        bytes = splice(bytes, at, repeat(bytes.subarray(at, end), random(4_000)));
        break;
      case 4: // Repeat a token, many times.
        bytes = splice(
          bytes,
          at,
          repeat(Buffer.from(TOKENS[random(TOKENS.length)] ?? ''), random(40_000)),
        );
        break;
      case 5: // Head of this, tail of another.
        bytes = Buffer.concat([bytes.subarray(0, at), pick().subarray(random(300))]);
        break;
      case 6: // Noise.
        for (let i = at; i < end; i++) bytes[i] = random(256);
        break;
      default: // End early.
        bytes = bytes.subarray(0, at);
    }
    if (bytes.length > INPUT_BYTES_MAX) bytes = bytes.subarray(0, INPUT_BYTES_MAX);
  }
  return bytes;
}

function splice(bytes: Buffer, at: number, piece: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}

function repeat(piece: Buffer, times: number): Buffer {
  if (piece.length === 0) return piece;
  const count = Math.min(times, Math.ceil(INPUT_BYTES_MAX / piece.length));
  return Buffer.concat(Array.from({ length: count }, () => piece));
}

/** Everything that the stack does with a message before a caller sees it. */
function use(outcome: ParseOutcome | undefined): void {
  if (outcome === undefined) return;
  const message = outcome.ok ? outcome.message : outcome.request;
  if (message === undefined) return;
  const { headers } = message;
  if (message.kind === 'request') {
    parseSipUri(message.uri);
    stampTopVia(message, { address: '2001:db8::1', port: 5060 });
    DialogState.ofCalled(message, 'tag')?.request('BYE', 1, {});
    serialize(makeResponse(message, { status: outcome.ok ? 200 : 400, toTag: 'tag' }));
  } else DialogState.ofCaller(message)?.nextHop();
  remoteContact(headers);
  redirectTargets(headers);
  carriesSdp(message);
  parseCSeq(headers.get('CSeq') ?? '');
  for (const [, value] of headers) parseNameAddr(value, { forgiving: true });
  if (!outcome.ok) return;
  // What was taken is written so that it is taken again, with the same body.
  const again = parseDatagram(serialize(message), { ...DEFAULT_SIP_LIMITS, headerBytes: 200_000 });
  assert(again?.ok === true, 'a message that was parsed and written does not parse');
  assert(again.message.body.equals(message.body), 'the body changed');
}

function pushAll(bytes: Buffer, random: (below: number) => number): void {
  const framer = new StreamFramer(DEFAULT_SIP_LIMITS);
  const largest = [1, 3, 50, 2_000, 70_000][random(5)] ?? 1;
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random(largest);
    for (const outcome of framer.push(bytes.subarray(at, at + size)).outcomes) use(outcome);
    at += size;
    const { headerBytes, bodyBytes } = DEFAULT_SIP_LIMITS;
    assert(framer.pendingBytes <= Math.max(headerBytes, bodyBytes) + size, 'too much is held back');
  }
}

/** CPU time, in ms: what else the machine does is not the parser's fault. */
function timed(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/**
 * Feeds mutated messages (RFC 4475, ours, multipart bodies) to the datagram parser and, in random pieces, to the
 * stream framer.
 * @param seed the same seed gives the same inputs
 * @throws Error naming the input (base64) that made the parser throw, take too long, or change a message
 */
export function fuzzSip(seconds: number, seed: number): { executions: number } {
  const random = generator(seed);
  const seeds = corpus();
  const endMs = performance.now() + seconds * 1_000;
  let executions = 0;
  while (performance.now() < endMs) {
    const input = mutate(seeds, random);
    const chunkSeed = random(2 ** 31);
    const run = (): void => {
      use(parseDatagram(input, DEFAULT_SIP_LIMITS));
      pushAll(input, generator(chunkSeed));
    };
    try {
      const elapsedMs = timed(run);
      if (elapsedMs > INPUT_MS_MAX) {
        const againMs = Math.min(timed(run), timed(run));
        assert(againMs <= INPUT_MS_MAX, `one input took ${againMs.toFixed(0)} ms`);
      }
    } catch (error) {
      throw new Error(`SIP fuzz, seed ${String(seed)}, input ${input.toString('base64')}`, {
        cause: error,
      });
    }
    executions++;
  }
  return { executions };
}
