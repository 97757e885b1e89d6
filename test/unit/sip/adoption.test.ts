import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import type { SipRequest } from '../../../src/sip/message/sip-message.ts';
import { DialogState } from '../../../src/sip/ua/dialog-state.ts';
import type { SipDialog } from '../../../src/sip/ua/dialog.ts';
import { cseqMargin } from '../../../src/sip/ua/snapshot.ts';
import type { DialogSnapshot, InviteSnapshot } from '../../../src/sip/ua/snapshot.ts';
import { SipUserAgent } from '../../../src/sip/ua/user-agent.ts';
import type { InviteKeeper } from '../../../src/sip/ua/user-agent-options.ts';
import { settle } from '../../support/manual-clock.ts';
import { FakeClock } from './support/fake-clock.ts';
import { MemoryNetwork } from './support/memory-network.ts';
import { RawPeer } from './support/raw-peer.ts';

const SDP = { body: Buffer.from('v=0\r\n'), contentType: 'application/sdp' };
const OURS = '192.0.2.1';
const PEER = '192.0.2.2';
const STRANGER = '198.51.100.66';

let clock: FakeClock;
let network: MemoryNetwork;
let peer: RawPeer;

beforeEach(() => {
  clock = new FakeClock();
  network = new MemoryNetwork();
  peer = new RawPeer(network, PEER, OURS, () => taken);
});

const taken = { status: 200, headers: [['Contact', `<sip:${PEER}>;+sip.srs`]] } as const;

/** At our address, in the place of the one before: what is sent there comes to the new one alone. */
function agent(): Promise<SipUserAgent> {
  return SipUserAgent.create({
    host: OURS,
    port: 5060,
    transports: ['udp'],
    userAgent: 'test',
    logger: pino({ level: 'silent' }),
    clock,
    openTransport: network.open,
    handlers: {},
  });
}

interface Kept {
  invite?: InviteSnapshot;
  dialog?: DialogSnapshot;
  over: number;
}

function keeper(kept: Kept): InviteKeeper {
  return {
    inviting: (invite) => {
      kept.invite = invite;
      return Promise.resolve();
    },
    answered: (dialog) => {
      kept.dialog = dialog;
      return Promise.resolve();
    },
    over: () => (kept.over += 1),
  };
}

/** As a store gives it back. */
function stored<T>(snapshot: T): T {
  return JSON.parse(JSON.stringify(snapshot)) as T;
}

function seqOf({ headers }: SipRequest): number {
  return Number.parseInt(headers.get('CSeq') ?? '', 10);
}

function last(requests: readonly SipRequest[]): SipRequest {
  const request = requests.at(-1);
  if (request === undefined) throw new Error('nothing came');
  return request;
}

describe('a dialog that is adopted', () => {
  async function adopted(): Promise<{
    dialog: SipDialog;
    successor: SipUserAgent;
    invite: SipRequest;
  }> {
    const before = await agent();
    const first = await before.invite({ uri: `sip:${PEER}`, ...SDP, contactParams: '+sip.src' });
    await first.reinvite(SDP);
    const successor = await agent();
    const dialog = successor.adopt(stored(first.snapshot()));
    const [invite] = peer.got;
    if (invite === undefined) throw new Error('no INVITE');
    return { dialog, successor, invite };
  }

  /** Lets the owner of the dialog have its turn. */
  async function opened(): Promise<void> {
    await settle();
    clock.advance(0);
    await settle();
  }

  it('is the same to the peer, with a CSeq that was not used', async () => {
    const { dialog, invite } = await adopted();
    peer.got.length = 0;
    await dialog.reinvite(SDP);
    await dialog.request('INFO');
    await dialog.bye();
    expect(peer.methods).toEqual(['INVITE', 'ACK', 'INFO', 'BYE']);
    expect(peer.got.map(seqOf)).toEqual([3, 3, 4, 5].map((seq) => seq + cseqMargin));
    for (const { headers } of peer.got) {
      expect(headers.get('Call-ID')).toBe(invite.headers.get('Call-ID'));
      expect(headers.get('From')).toBe(invite.headers.get('From'));
      expect(headers.get('To')).toBe(`<sip:${PEER}>;tag=${PEER}`);
    }
    expect(peer.got[0]?.headers.get('Contact')).toBe(`<sip:${OURS}:5060>;+sip.src`);
  });

  it('hears what the peer asks', async () => {
    const { dialog, invite } = await adopted();
    const heard: string[] = [];
    dialog.on('reinvite', (reinvite) => {
      heard.push(reinvite.method);
      reinvite.accept(SDP).catch(() => undefined);
    });
    dialog.on('closed', (why) => heard.push(why));
    await opened();
    for (const method of ['INVITE', 'UPDATE', 'OPTIONS', 'BYE']) {
      peer.ask(invite, method);
      await settle();
    }
    expect(heard).toEqual(['INVITE', 'UPDATE', 'bye']);
    expect(peer.responses.slice(-4).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(dialog.closed).toBe(true);
  });

  it('follows the peer to the target that it moved to before', async () => {
    const before = await agent();
    const dialog = await before.invite({ uri: `sip:${PEER}`, ...SDP });
    const elsewhere = new RawPeer(network, '192.0.2.3', OURS, () => ({ status: 200 }));
    peer.answer = () => ({ status: 200, headers: [['Contact', '<sip:192.0.2.3>']] });
    await dialog.reinvite(SDP);
    const successor = await agent();
    await successor.adopt(stored(dialog.snapshot())).bye();
    expect(elsewhere.methods).toEqual(['ACK', 'BYE']);
  });

  it('acknowledges a 2xx that comes again, of the peer alone', async () => {
    const { invite } = await adopted();
    peer.got.length = 0;
    peer.reply(invite, taken);
    await settle();
    expect(peer.methods).toEqual(['ACK']);
    expect(seqOf(last(peer.got))).toBe(1);
    const stranger = new RawPeer(network, STRANGER, OURS, () => undefined);
    stranger.reply(invite, { ...taken, toTag: PEER });
    await settle();
    expect(peer.methods).toEqual(['ACK']);
  });

  it('is not believed to a stranger', async () => {
    const { dialog, invite } = await adopted();
    await opened();
    peer.ask(invite, 'BYE', {}, { address: STRANGER, port: 5060 });
    await settle();
    expect(dialog.closed).toBe(false);
  });

  it('is adopted once', async () => {
    const { dialog, successor } = await adopted();
    expect(() => successor.adopt(dialog.snapshot())).toThrow(
      expect.objectContaining({ code: 'SIP_INVALID' }),
    );
  });

  it('tells of each change before the request that makes it leaves', async () => {
    const before = await agent();
    const dialog = await before.invite({ uri: `sip:${PEER}`, ...SDP });
    peer.got.length = 0;
    const told: [number, number][] = [];
    dialog.on('changed', () => told.push([dialog.snapshot().localSeq, peer.got.length]));
    await dialog.request('INFO');
    await dialog.bye();
    expect(told).toEqual([
      [2, 0],
      [3, 1],
    ]);
  });
});

it('a snapshot holds all of a dialog with a route set', () => {
  const snapshot: DialogSnapshot = {
    side: 'caller',
    callId: 'c',
    localTag: 'l',
    remoteTag: 'r',
    localUri: 'sip:a@192.0.2.1',
    remoteUri: 'sip:b@192.0.2.2',
    localSeq: 7,
    routeSet: ['<sip:192.0.2.9;lr>'],
    remoteTarget: 'sip:b@192.0.2.3',
    remoteParams: { '+sip.srs': '' },
    transport: 'udp',
    remoteAddress: PEER,
    contact: { transport: 'udp', address: OURS, port: 5060 },
  };
  const state = DialogState.ofSnapshot(snapshot);
  const request = state.request('BYE', state.nextSeq(), {});
  expect(request.uri).toBe('sip:b@192.0.2.3');
  expect([...request.headers]).toEqual([
    ['Route', '<sip:192.0.2.9;lr>'],
    ['Max-Forwards', '70'],
    ['From', '<sip:a@192.0.2.1>;tag=l'],
    ['To', '<sip:b@192.0.2.2>;tag=r'],
    ['Call-ID', 'c'],
    ['CSeq', `${String(7 + cseqMargin + 1)} BYE`],
  ]);
  expect(state.nextHop()?.host).toBe('192.0.2.9');
});

describe('an INVITE that was out', () => {
  async function forsaken(): Promise<{ undone: Promise<void>; invite: SipRequest; kept: Kept }> {
    peer.answer = ({ method }) => (method === 'INVITE' ? { status: 180 } : { status: 200 });
    const kept: Kept = { over: 0 };
    const before = await agent();
    before.invite({ uri: `sip:${PEER}`, ...SDP, keeper: keeper(kept) }).catch(() => undefined);
    await settle();
    if (kept.invite === undefined) throw new Error('it was not told');
    const successor = await agent();
    const undone = successor.undo(stored(kept.invite));
    await settle();
    return { undone, invite: peer.got[0] as SipRequest, kept };
  }

  it('is cancelled, and its refusal acknowledged each time it comes', async () => {
    const { undone, invite } = await forsaken();
    const cancel = last(peer.got);
    expect(cancel.method).toBe('CANCEL');
    for (const name of ['Via', 'From', 'To', 'Call-ID'])
      expect(cancel.headers.get(name)).toBe(invite.headers.get(name));
    expect(seqOf(cancel)).toBe(seqOf(invite));
    peer.reply(invite, { status: 487 });
    peer.reply(invite, { status: 487 });
    await settle();
    await undone;
    expect(peer.methods).toEqual(['INVITE', 'CANCEL', 'ACK', 'ACK']);
    expect(last(peer.got).headers.get('Via')).toBe(invite.headers.get('Via'));
  });

  it('that is taken all the same is acknowledged and ended', async () => {
    const { undone, invite } = await forsaken();
    peer.reply(invite, taken);
    await settle();
    await undone;
    expect(peer.methods).toEqual(['INVITE', 'CANCEL', 'ACK', 'BYE']);
  });

  it('whose refusal does not name its branch is not over', async () => {
    const { invite } = await forsaken();
    invite.headers.set('Via', `SIP/2.0/UDP ${OURS}:5060;branch=z9hG4bKguessed`);
    peer.reply(invite, { status: 487 });
    await settle();
    expect(peer.methods).toEqual(['INVITE', 'CANCEL']);
  });

  it('is given up when nothing comes', async () => {
    const { undone } = await forsaken();
    clock.advance(32_000);
    await undone;
  });
});

describe('what is kept of an INVITE', () => {
  it('is kept before it leaves, and the dialog before its ACK', async () => {
    const order: string[] = [];
    const caller = await agent();
    const note = (what: string) => () => {
      order.push(`${what} after ${peer.methods.join(' ')}`);
      return settle();
    };
    const over = (): void => void order.push('over');
    await caller.invite({
      uri: `sip:${PEER}`,
      ...SDP,
      keeper: { inviting: note('inviting'), answered: note('answered'), over },
    });
    await settle();
    expect(order).toEqual(['inviting after ', 'answered after INVITE']);
    expect(peer.methods).toEqual(['INVITE', 'ACK']);
  });

  it('is over when it was refused', async () => {
    peer.answer = () => ({ status: 486 });
    const kept: Kept = { over: 0 };
    const caller = await agent();
    await caller
      .invite({ uri: `sip:${PEER}`, ...SDP, keeper: keeper(kept) })
      .catch(() => undefined);
    await settle();
    expect(kept.over).toBe(1);
  });

  it('is over when one that was called off is refused, or its dialog has ended', async () => {
    for (const late of [{ status: 487 }, taken]) {
      peer.answer = ({ method }) => (method === 'INVITE' ? { status: 180 } : { status: 200 });
      peer.got.length = 0;
      const kept: Kept = { over: 0 };
      const abort = new AbortController();
      const caller = await agent();
      const invited = caller.invite({
        uri: `sip:${PEER}`,
        ...SDP,
        keeper: keeper(kept),
        signal: abort.signal,
      });
      await settle();
      abort.abort();
      await expect(invited).rejects.toMatchObject({ code: 'SESSION_CANCELLED' });
      expect(kept.over).toBe(0);
      peer.reply(peer.got[0] as SipRequest, late);
      await settle();
      expect(kept.over).toBe(1);
    }
  });

  it('does not leave when it was called off meanwhile', async () => {
    const abort = new AbortController();
    const kept = Promise.withResolvers<undefined>();
    const caller = await agent();
    const invited = caller.invite({
      uri: `sip:${PEER}`,
      ...SDP,
      signal: abort.signal,
      keeper: { ...keeper({ over: 0 }), inviting: () => kept.promise },
    });
    await settle();
    abort.abort();
    kept.resolve(undefined);
    await expect(invited).rejects.toMatchObject({ code: 'SESSION_CANCELLED' });
    await settle();
    expect(peer.got).toEqual([]);
  });
});
