import { pino } from 'pino';
import { beforeEach, expect, it } from 'vitest';
import { SipHeaders } from '../../../src/sip/message/headers.ts';
import { systemRandom } from '../../../src/sip/transaction/identifiers.ts';
import type { IncomingInvite } from '../../../src/sip/ua/incoming-invite.ts';
import type { SipDialog } from '../../../src/sip/ua/dialog.ts';
import { SiprecServer } from '../../../src/siprec/server.ts';
import { SrcSession } from '../../../src/siprec/src-session.ts';
import type { SrsSession } from '../../../src/siprec/srs-session.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const logger = pino({ level: 'silent' });
const address = (port: number) => ({ ip: '127.0.0.1', port });
const media = (port: number) => ({ rtp: address(port), rtcp: address(port + 1) });

let clock: ManualClock;
let log: string[];
const sessions = new Map<string, SrsSession>();
let server: SiprecServer;

beforeEach(() => {
  clock = new ManualClock();
  log = [];
  server = new SiprecServer({
    clock,
    logger,
    open: ({ user, streams }, session) => {
      sessions.set(user, session);
      return Promise.resolve({
        offered: () => new Map(streams.map(({ position }) => [position, media(7_000)])),
        declined: () => undefined,
        snapshot: () => log.push(`metadata of ${user}`),
        ended: () => log.push(`${user} ended`),
        abandoned: () => log.push(`${user} abandoned`),
      });
    },
  });
});

function inviteOf(user: string): IncomingInvite {
  const party = (id: 'a' | 'b') => ({
    participantId: `00000000-0000-4000-8000-00000000000${id}`,
    streamId: `00000000-0000-4000-8000-0000000000${id}1`,
    aor: `sip:${id}@example.com`,
  });
  const pcmu = { payloadType: 0, encodingName: 'PCMU', clockRate: 8_000, channels: 1 };
  const { body, contentType } = new SrcSession({
    request: {
      recordId: user,
      uri: 'sip:127.0.0.1',
      communicationSession: {
        callId: 'c1',
        sessionId: '00000000-0000-4000-8000-000000000001',
        groupId: '00000000-0000-4000-8000-000000000002',
        startedAt: 0,
        participants: { a: party('a'), b: party('b') },
      },
      streams: [
        { party: 'a', index: 0, ssrc: 1, payloads: [pcmu] },
        { party: 'b', index: 1, ssrc: 2, payloads: [pcmu] },
      ],
      local: { a: media(9_000), b: media(9_002) },
      timeoutMs: 1_000,
    },
    logger,
    clock,
    random: systemRandom,
    addressesOf: () => Promise.resolve([]),
    mediaAllowed: () => false,
    onMedia: () => undefined,
    onChanged: () => undefined,
  }).offerBody();
  const dialog = { on: () => dialog } as unknown as SipDialog;
  return {
    body,
    contentType,
    requestUser: user,
    headers: new SipHeaders([]),
    source: { transport: 'tcp', address: '127.0.0.1', port: 5_060 },
    accept: () => {
      log.push(`${user} answered`);
      return Promise.resolve(dialog);
    },
    reject: (status: number) => log.push(`${user} refused ${status}`),
  } as unknown as IncomingInvite;
}

it('answers all sessions that come at once before it reads the metadata of the first', async () => {
  const users = ['r1', 'r2', 'r3'];
  for (const user of users) server.onInvite(inviteOf(user));
  await settle();
  expect(log).toEqual(users.map((user) => `${user} answered`));
  log = [];
  await clock.advance(200);
  expect(log).toEqual(users.map((user) => `metadata of ${user}`));
});

it('reads the metadata of a session that ends before its turn', async () => {
  server.onInvite(inviteOf('r1'));
  await settle();
  sessions.get('r1')?.end('over');
  expect(log).toEqual(['r1 answered', 'metadata of r1', 'r1 ended']);
  await clock.advance(1_000);
  expect(log).toHaveLength(3);
});

it('refuses what is no recording session, and goes on', async () => {
  server.onInvite({ ...inviteOf('r1'), body: Buffer.from('v=0'), contentType: 'application/sdp' });
  server.onInvite(inviteOf('r2'));
  await settle();
  expect(log).toEqual(['r1 refused 488', 'r2 answered']);
});
