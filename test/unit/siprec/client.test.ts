import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type {
  EstablishRequest,
  RecordedStream,
  RecorderMedia,
} from '../../../src/recording/interfaces.ts';
import type { ResponseInit } from '../../../src/sip/message/response.ts';
import type { SipRequest } from '../../../src/sip/message/sip-message.ts';
import { systemRandom } from '../../../src/sip/transaction/identifiers.ts';
import type { HostAddress } from '../../../src/sip/transport/host-names.ts';
import { SipUserAgent } from '../../../src/sip/ua/user-agent.ts';
import { readSiprecBody } from '../../../src/siprec/body.ts';
import { SiprecClient } from '../../../src/siprec/client.ts';
import type { SessionSnapshot } from '../../../src/siprec/client.ts';
import { settle } from '../../support/manual-clock.ts';
import { FakeClock } from '../sip/support/fake-clock.ts';
import { MemoryNetwork } from '../sip/support/memory-network.ts';
import { RawPeer } from '../sip/support/raw-peer.ts';

const OURS = '192.0.2.1';
const RECORDER = '192.0.2.2';
const MEDIA_SERVER = '192.0.2.3';
const ELSEWHERE = '198.51.100.66';
const ALLOWED = '203.0.113.5';
const payloads = [
  { payloadType: 8, encodingName: 'PCMA', clockRate: 8_000, channels: 1 },
  { payloadType: 101, encodingName: 'telephone-event', clockRate: 8_000, channels: 1 },
];
const streams: readonly RecordedStream[] = [
  { party: 'a', index: 0, ssrc: 1, payloads },
  { party: 'b', index: 1, ssrc: 2, payloads },
];

let clock: FakeClock;
let network: MemoryNetwork;
let client: SiprecClient;
let recorder: RawPeer;
let changes: RecorderMedia[];
let ended: string[];
let kept: Map<string, SessionSnapshot>;
/** What was kept, in order. */
let stages: string[];
let storing: Promise<void>;
let slow: PromiseWithResolvers<readonly HostAddress[]>;

beforeEach(async () => {
  clock = new FakeClock();
  network = new MemoryNetwork();
  changes = [];
  ended = [];
  kept = new Map();
  stages = [];
  storing = Promise.resolve();
  slow = Promise.withResolvers();
  client = await clientAtOurs();
  recorder = new RawPeer(network, RECORDER, OURS, () => taken());
});

/** In the place of the one before: what is sent to our address comes to the new one alone. */
async function clientAtOurs(): Promise<SiprecClient> {
  const logger = pino({ level: 'silent' });
  const userAgent = await SipUserAgent.create({
    host: OURS,
    port: 5060,
    transports: ['udp'],
    userAgent: 'test',
    logger,
    clock,
    openTransport: network.open,
    lookup: (host) =>
      host === 'slow.example.com'
        ? slow.promise
        : host === 'media.example.com'
          ? Promise.resolve([
              { address: '2001:db8::3', family: 6 },
              { address: MEDIA_SERVER, family: 4 },
            ])
          : Promise.reject(new Error('ENOTFOUND')),
    handlers: {},
  });
  const made = new SiprecClient({
    userAgent,
    logger,
    clock,
    random: systemRandom,
    mediaAllowed: (address) => address === ALLOWED,
    keeper: {
      keep: (recordId, snapshot) => {
        kept.set(recordId, JSON.parse(JSON.stringify(snapshot)) as SessionSnapshot);
        stages.push(snapshot.stage);
      },
      forget: (recordId) => {
        kept.delete(recordId);
        stages.push('forgotten');
      },
      flush: () => storing,
    },
  });
  made.on('mediaChanged', ({ media }) => changes.push(media));
  made.on('ended', ({ reason }) => ended.push(reason));
  return made;
}

const lines = [
  'm=audio 7000 RTP/AVP 8 101',
  'a=recvonly',
  'm=audio 7002 RTP/AVP 8 101',
  'a=recvonly',
];

function sdp(ip: string, media: readonly string[] = lines): { body: Buffer; contentType: string } {
  const family = ip.includes(':') ? 6 : 4;
  const text = ['v=0', `o=- 1 1 IN IP4 0.0.0.0`, 's=-', `c=IN IP${String(family)} ${ip}`, 't=0 0'];
  return {
    body: Buffer.from([...text, ...media, ''].join('\r\n')),
    contentType: 'application/sdp',
  };
}

function taken(ip = RECORDER, media?: readonly string[]): ResponseInit {
  return { status: 200, headers: [['Contact', `<sip:${RECORDER}>;+sip.srs`]], ...sdp(ip, media) };
}

function request(recordId = 'r'): EstablishRequest {
  const participant = (id: string) => ({
    participantId: `00000000-0000-4000-8000-00000000000${id}`,
    streamId: `00000000-0000-4000-8000-0000000000${id}1`,
    aor: `sip:${id}@example.com`,
  });
  const local = (port: number) => ({
    rtp: { ip: OURS, port },
    rtcp: { ip: OURS, port: port + 1 },
  });
  return {
    recordId,
    uri: `sip:${RECORDER};transport=udp`,
    communicationSession: {
      callId: 'c',
      sessionId: '00000000-0000-4000-8000-000000000001',
      groupId: '00000000-0000-4000-8000-000000000002',
      startedAt: 0,
      participants: { a: participant('a'), b: participant('b') },
    },
    streams,
    local: { a: local(9_000), b: local(9_002) },
    timeoutMs: 4_000,
  };
}

const failure = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    () => 'did not fail',
    (error: unknown) => error,
  );
const invites = (): SipRequest[] => recorder.got.filter(({ method }) => method === 'INVITE');
const invite = (): SipRequest => {
  const [first] = invites();
  if (first === undefined) throw new Error('no INVITE');
  return first;
};
const offerOf = (message: SipRequest | undefined): string =>
  readSiprecBody(
    message?.headers.get('Content-Type') ?? '',
    message?.body ?? Buffer.alloc(0),
  ).sdp?.toString() ?? '';

/** With whoever made a dialog having had its turn. */
async function established(): Promise<RecorderMedia> {
  const { media } = await client.establish(request());
  clock.advance(0);
  return media;
}

async function asks(
  method: 'INVITE' | 'UPDATE',
  ip: string,
  media?: readonly string[],
): Promise<number | undefined> {
  recorder.ask(invite(), method, sdp(ip, media));
  await settle();
  return recorder.responses.at(-1)?.status;
}

const media = (ip: string) => ({
  a: { rtp: { ip, port: 7_000 }, rtcp: { ip, port: 7_001 } },
  b: { rtp: { ip, port: 7_002 }, rtcp: { ip, port: 7_003 } },
});

describe('the streams that a recorder takes', () => {
  const line = (port: number, direction: string) => [
    `m=audio ${String(port)} RTP/AVP 8`,
    ...(direction === '' ? [] : [`a=${direction}`]),
  ];
  it.each([
    ['both', RECORDER, lines, ['a', 'b']],
    ['both, without a direction', RECORDER, [...line(7_000, ''), ...line(7_002, '')], ['a', 'b']],
    ['none, by port 0', RECORDER, [...line(0, 'recvonly'), ...line(0, 'recvonly')], []],
    ['one, by port 0', RECORDER, [...line(0, 'inactive'), ...line(7_002, 'recvonly')], ['b']],
    ['none, inactive', RECORDER, [...line(7_000, 'inactive'), ...line(7_002, 'inactive')], []],
    ['none, sendonly', RECORDER, [...line(7_000, 'sendonly'), ...line(7_002, 'sendonly')], []],
    ['none, at no address', '0.0.0.0', lines, []],
    ['none, at no IPv6 address', '::', lines, []],
    ['one, of one m-line', RECORDER, line(7_000, 'recvonly'), ['a']],
    ['both, and a line too many', RECORDER, [...lines, ...line(7_004, 'recvonly')], ['a', 'b']],
  ])('are %s', async (_title, ip, answer, parties) => {
    recorder.answer = () => taken(ip, answer);
    expect(Object.keys(await established())).toEqual(parties);
  });

  it('are both again when it asks for them later', async () => {
    recorder.answer = () => taken('0.0.0.0');
    expect(await established()).toEqual({});
    // Its first address: the recorder has said of none yet.
    expect(await asks('INVITE', MEDIA_SERVER)).toBe(200);
    expect(changes).toEqual([media(MEDIA_SERVER)]);
  });

  it('are as in its answer to the latest offer', async () => {
    expect(await established()).toEqual(media(RECORDER));
    const inactive = lines.map((text) => text.replace('recvonly', 'inactive'));
    recorder.answer = () => taken(RECORDER, inactive);
    const paused = await client.update('r', { streams, paused: true });
    expect(paused.media).toEqual(media(RECORDER));
    const resumed = await client.update('r', { streams, paused: false });
    expect(resumed.media).toEqual({});
  });
});

it('asks for reports by range in every m-line, whatever the recorder makes of that', async () => {
  await established();
  const asked = offerOf(invite())
    .split('\r\n')
    .filter((text) => text.startsWith('a=rtcp-xr:'));
  expect(asked).toEqual(Array(2).fill('a=rtcp-xr:pkt-loss-rle pkt-dup-rle'));
  const echoed = lines.flatMap((text) =>
    text.startsWith('a=') ? [text, 'a=rtcp-xr:pkt-loss-rle=400 voip-metrics', 'a=rtcp-xr:'] : text,
  );
  expect(await asks('INVITE', RECORDER, echoed)).toBe(200);
});

describe('an answer that cannot be used', () => {
  const with_ = (text: string) => [`m=${text}`, 'a=recvonly', 'm=audio 7002 RTP/AVP 8'];
  it.each([
    ['encrypted media', taken(RECORDER, with_('audio 7000 RTP/SAVP 8'))],
    ['payload types that were not offered', taken(RECORDER, with_('audio 7000 RTP/AVP 0 9'))],
    ['telephone events alone', taken(RECORDER, with_('audio 7000 RTP/AVP 101'))],
    ['video', taken(RECORDER, with_('video 7000 RTP/AVP 8'))],
    ['a host that nobody knows', taken('nowhere.example.com')],
    ['no host at all', taken('a b')],
    ['no SDP', { ...taken(), body: Buffer.alloc(0) }],
    ['another type', { ...taken(), contentType: 'text/plain' }],
  ])('as it has %s is no session, and the recorder is told so', async (_title, answer) => {
    recorder.answer = ({ method }) => (method === 'INVITE' ? answer : { status: 200 });
    expect(await failure(client.establish(request()))).toMatchObject({ code: 'SIPREC_INVALID' });
    await settle();
    expect(recorder.methods).toEqual(['INVITE', 'ACK', 'BYE']);
    expect(client.sessionCount).toBe(0);
    expect(ended).toEqual([]);
  });

  it('may have a host by its name', async () => {
    recorder.answer = () => taken('media.example.com');
    expect(await established()).toEqual(media(MEDIA_SERVER));
  });
});

it('reads the answer before what the recorder asks next', async () => {
  recorder.answer = () => taken('slow.example.com');
  const beginning = client.establish(request());
  await settle();
  clock.advance(0);
  recorder.ask(invite(), 'INVITE', sdp(ELSEWHERE));
  await settle();
  slow.resolve([{ address: MEDIA_SERVER, family: 4 }]);
  expect(await beginning).toEqual({ media: media(MEDIA_SERVER) });
  await settle();
  // The answer has told where the media are; a stranger did not get in before it.
  expect(recorder.responses.map(({ status }) => status)).toEqual([488]);
});

it('has no session when the recorder hangs up before its answer is read', async () => {
  recorder.answer = () => taken('slow.example.com');
  const beginning = failure(client.establish(request()));
  await settle();
  clock.advance(0);
  recorder.ask(invite(), 'BYE');
  await settle();
  slow.resolve([{ address: MEDIA_SERVER, family: 4 }]);
  expect(await beginning).toMatchObject({ code: 'SESSION_TRANSPORT' });
  expect(ended).toEqual([]);
  expect(client.sessionCount).toBe(0);
});

describe('media that a recorder moves', () => {
  beforeEach(async () => {
    recorder.answer = () => taken(MEDIA_SERVER);
    await established();
  });

  it.each(['INVITE', 'UPDATE'] as const)('elsewhere by %s stay where they are', async (method) => {
    expect(await asks(method, ELSEWHERE)).toBe(488);
    expect(changes).toEqual([]);
    expect(client.sessionCount).toBe(1);
  });

  it('with their RTCP elsewhere stay where they are', async () => {
    const rtcp = lines.map((text) =>
      text.startsWith('a=') ? `${text}\r\na=rtcp:7001 IN IP4 ${ELSEWHERE}` : text,
    );
    expect(await asks('INVITE', MEDIA_SERVER, rtcp)).toBe(488);
    expect(changes).toEqual([]);
  });

  it.each([
    ['its own host', RECORDER],
    ['where the operator allows it', ALLOWED],
  ])('to %s go there', async (_title, ip) => {
    expect(await asks('INVITE', ip)).toBe(200);
    expect(changes).toEqual([media(ip)]);
  });

  it('to what it cannot be sent as stay where they are', async () => {
    const encrypted = lines.map((text) => text.replace('RTP/AVP', 'RTP/SAVP'));
    expect(await asks('INVITE', MEDIA_SERVER, encrypted)).toBe(488);
    expect(changes).toEqual([]);
  });

  it('elsewhere in an answer are not sent there, and that is said', async () => {
    recorder.answer = () => taken(ELSEWHERE);
    expect(await failure(client.update('r', { streams, paused: false }))).toMatchObject({
      code: 'SIPREC_INVALID',
    });
    recorder.answer = () => taken(MEDIA_SERVER);
    const { media: now } = await client.update('r', { streams, paused: false });
    expect(now).toEqual(media(MEDIA_SERVER));
  });

  it('by the ids of the session from another host stay where they are', async () => {
    for (const method of ['INVITE', 'UPDATE', 'BYE'])
      recorder.ask(invite(), method, sdp(ELSEWHERE), { address: ELSEWHERE, port: 5_060 });
    await settle();
    expect(changes).toEqual([]);
    expect(ended).toEqual([]);
    expect(client.sessionCount).toBe(1);
  });
});

describe('a change', () => {
  const directions = (message: SipRequest | undefined): string[] =>
    offerOf(message).match(/a=(sendonly|inactive)/g) ?? [];
  const change = (paused: boolean) => client.update('r', { streams, paused });

  it('that comes while the INVITE is out is told afterwards', async () => {
    recorder.answer = () => undefined;
    const beginning = client.establish(request());
    await settle();
    const paused = change(true);
    recorder.answer = () => taken();
    recorder.reply(invite(), taken());
    await beginning;
    clock.advance(0);
    await paused;
    expect(invites().map(directions)).toEqual([
      ['a=sendonly', 'a=sendonly'],
      ['a=inactive', 'a=inactive'],
    ]);
  });

  it('that comes while an INVITE is out that fails is told to be too late', async () => {
    recorder.answer = () => undefined;
    const beginning = failure(client.establish(request()));
    await settle();
    const paused = failure(change(true));
    recorder.reply(invite(), { status: 486 });
    expect(await beginning).toMatchObject({ code: 'SESSION_REFUSED', details: { status: 486 } });
    expect(await paused).toMatchObject({ code: 'SESSION_CANCELLED' });
  });

  it('that comes while others are out is told with them, the latest', async () => {
    await established();
    recorder.answer = () => undefined;
    const first = change(true);
    await settle();
    const rest = [change(false), change(true), change(false)];
    recorder.answer = () => taken();
    const [, again] = invites();
    if (again === undefined) throw new Error('not told');
    recorder.reply(again, taken(RECORDER));
    await Promise.all([first, ...rest]);
    expect(invites().slice(1).map(directions)).toEqual([
      ['a=inactive', 'a=inactive'],
      ['a=sendonly', 'a=sendonly'],
    ]);
  });

  it('is answered as it was told, whatever has been asked for since', async () => {
    await established();
    recorder.answer = () => undefined;
    const pausing = change(true);
    await settle();
    const resuming = change(false);
    recorder.answer = () => taken();
    const [, paused] = invites();
    if (paused === undefined) throw new Error('not told');
    const inactive = lines.map((text) => text.replace('recvonly', 'inactive'));
    recorder.reply(paused, taken(RECORDER, inactive));
    // Paused, it can say nothing but inactive: it still wants both.
    expect((await pausing).media).toEqual(media(RECORDER));
    expect((await resuming).media).toEqual(media(RECORDER));
  });

  it('that the recorder does not take in time says so, and the next one is told', async () => {
    await established();
    recorder.answer = () => undefined;
    const first = failure(change(true));
    await settle();
    clock.advance(4_000);
    expect(await first).toMatchObject({ code: 'SESSION_TIMEOUT' });
    const second = change(false);
    await settle();
    recorder.answer = () => taken();
    // The first INVITE is repeated, and answered.
    clock.advance(4_000);
    await settle();
    expect((await second).media).toEqual(media(RECORDER));
    expect(ended).toEqual([]);
  });

  it('that crosses one of the recorder is told after the time that glare takes', async () => {
    await established();
    let glares = 1;
    recorder.answer = () => (glares-- > 0 ? { status: 491 } : taken());
    const told = change(true);
    await settle();
    clock.advance(4_000);
    expect((await told).media).toEqual(media(RECORDER));
  });

  it('that crosses again and again says so in bounded time, and is told in the end', async () => {
    await established();
    let isBusy = true;
    recorder.answer = () => (isBusy ? { status: 491 } : taken(MEDIA_SERVER));
    const told = failure(change(true));
    for (let i = 0; i < 8; i += 1) {
      await settle();
      clock.advance(1_000);
    }
    expect(await told).toMatchObject({ code: 'SESSION_TIMEOUT' });
    isBusy = false;
    recorder.answer = () => taken();
    await settle();
    clock.advance(4_000);
    await settle();
    expect(directions(invites().at(-1))).toEqual(['a=inactive', 'a=inactive']);
    expect(ended).toEqual([]);
  });

  it('that is refused leaves the session, and the next one is told', async () => {
    await established();
    recorder.answer = () => ({ status: 500, headers: [['Retry-After', '3']] });
    expect(await failure(change(true))).toMatchObject({
      code: 'SESSION_REFUSED',
      details: { status: 500, retryAfterMs: 3_000 },
    });
    recorder.answer = () => taken();
    expect((await change(true)).media).toEqual(media(RECORDER));
  });
});

describe('the end of a session', () => {
  it('whose INVITE is out cancels that, at once', async () => {
    recorder.answer = ({ method }) => (method === 'INVITE' ? { status: 180 } : { status: 200 });
    const beginning = failure(client.establish(request()));
    await settle();
    await client.end('r');
    expect(await beginning).toMatchObject({ code: 'SESSION_CANCELLED' });
    await settle();
    expect(recorder.methods).toEqual(['INVITE', 'CANCEL']);
  });

  it('whose INVITE is answered as it ends hangs up', async () => {
    recorder.answer = () => undefined;
    const beginning = failure(client.establish(request()));
    await settle();
    await client.end('r');
    recorder.answer = () => ({ status: 200 });
    recorder.reply(invite(), taken());
    await settle();
    expect(await beginning).toMatchObject({ code: 'SESSION_CANCELLED' });
    expect(recorder.methods).toEqual(['INVITE', 'ACK', 'BYE']);
    expect(client.sessionCount).toBe(0);
  });

  it('whose recorder is silent takes bounded time', async () => {
    await established();
    recorder.answer = () => undefined;
    const over = client.end('r');
    await settle();
    clock.advance(4_000);
    await over;
    expect(ended).toEqual([]);
  });
});

describe('what another process needs of a session', () => {
  const left = (): SessionSnapshot => {
    const snapshot = kept.get('r');
    if (snapshot === undefined) throw new Error('nothing was kept');
    return snapshot;
  };

  it('is kept from the INVITE on, and forgotten when BYE is answered', async () => {
    await established();
    await settle();
    expect([...new Set(stages)]).toEqual(['inviting', 'ending', 'established']);
    recorder.answer = () => undefined;
    void client.end('r');
    await settle();
    expect(left().stage).toBe('ending');
    recorder.reply(recorder.got.at(-1) ?? invite(), { status: 200 });
    await settle();
    expect(stages.at(-1)).toBe('forgotten');
  });

  it('is forgotten when the recorder hangs up, or refuses', async () => {
    await established();
    recorder.ask(invite(), 'BYE');
    await settle();
    expect([...kept]).toEqual([]);
    recorder.answer = () => ({ status: 486 });
    await failure(client.establish(request()));
    await settle();
    expect([...kept]).toEqual([]);
  });

  it('does not have to be kept for a call to be recorded', async () => {
    storing = Promise.reject(new Error('the disk is full'));
    storing.catch(() => undefined);
    expect(await established()).toEqual(media(RECORDER));
  });

  it('goes on where it was: the lines, the media, the pause', async () => {
    await established();
    await client.update('r', { streams, paused: true });
    await settle();
    const version = (message: SipRequest | undefined) =>
      Number(/o=- \d+ (\d+)/.exec(offerOf(message))?.[1]);
    const before = invites().at(-1);
    const successor = await clientAtOurs();
    expect(successor.adopt('r', left())).toEqual({
      media: media(RECORDER),
      offered: ['a', 'b'],
    });
    await successor.update('r', { streams: streams.slice(1), paused: false });
    const offer = offerOf(invites().at(-1));
    expect(offer.match(/m=audio \d+/g)).toEqual(['m=audio 0', 'm=audio 9002']);
    expect(/o=- (\d+)/.exec(offer)?.[1]).toBe(/o=- (\d+)/.exec(offerOf(before))?.[1]);
    expect(version(invites().at(-1))).toBeGreaterThan(version(before));
    expect(left()).toMatchObject({ stage: 'established', session: { lines: { present: ['b'] } } });
  });

  it('still says where the recorder may have its media', async () => {
    await established();
    await settle();
    const successor = await clientAtOurs();
    successor.adopt('r', left());
    clock.advance(0);
    expect(await asks('INVITE', ELSEWHERE)).toBe(488);
    expect(await asks('INVITE', ALLOWED)).toBe(200);
    expect(changes).toEqual([media(ALLOWED)]);
  });

  it('is adopted once', async () => {
    await established();
    await settle();
    expect(() => client.adopt('r', left())).toThrow(
      expect.objectContaining({ code: 'SIPREC_INVALID' }),
    );
  });

  it('whose answer was not read yet ends the session', async () => {
    // The answer names a host that is not found before the process is gone.
    recorder.answer = () => taken('slow.example.com');
    void failure(client.establish(request()));
    await settle();
    expect(left().stage).toBe('ending');
    recorder.answer = () => ({ status: 200 });
    const successor = await clientAtOurs();
    expect(successor.adopt('r', left())).toBeUndefined();
    await settle();
    expect(recorder.methods).toEqual(['INVITE', 'ACK', 'BYE']);
    expect([...kept]).toEqual([]);
  });
});
