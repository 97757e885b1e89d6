import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallState, LegState } from '../../src/recording/call-state.ts';
import { hashPayload, readRtpWithTshark } from '../support/media-compare.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { RecorderProcess } from '../support/recorder-process.ts';
import type { RtpEndpoint } from '../support/rtp-endpoint.ts';
import { decodeRtp } from '../support/rtp-party.ts';
import { SippProcess } from '../support/sipp/sipp-process.ts';
import { TandemProcess } from '../support/tandem-process.ts';
import { UdpPeer } from '../support/udp-peer.ts';

/** A recording server that is not ours: sipp takes leg 1 or 2, the other leg is on a recorder of ours. */

const PACKETS = 150;
const open: (() => unknown)[] = [];
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-sipp-'));
  open.push(() => {
    rmSync(dir, { recursive: true, force: true });
  });
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** sipp as a recorder in a zone of its own, so that one leg of every call asks it first. */
async function callWith(sipp: SippProcess, id: string): Promise<[TandemProcess, PlacedCall]> {
  open.push(() => sipp.stop());
  const tandem = await TandemProcess.start({
    recorders: {
      embedded: { count: 2, zones: ['east'], dir: join(dir, 'recordings') },
      list: [{ id: 'foreign', uri: sipp.uri, zone: 'west' }],
    },
  });
  open.push(() => tandem.dispose());
  const call = await PlacedCall.place(tandem, { id });
  open.push(() => {
    call.a.close();
    call.b.close();
  });
  return [tandem, call];
}

async function mediaPorts(): Promise<{ a: UdpPeer; b: UdpPeer }> {
  const ports = { a: await UdpPeer.open(), b: await UdpPeer.open() };
  open.push(
    () => ports.a.close(),
    () => ports.b.close(),
  );
  return ports;
}

const keysOf = ({ a, b }: { a: UdpPeer; b: UdpPeer }) => ({
  media_a: a.address.port,
  media_b: b.address.port,
});

const payloads = (party: RtpEndpoint) => party.sent.map(({ payload }) => hashPayload(payload));

async function expectAll(peer: UdpPeer, party: RtpEndpoint): Promise<void> {
  const received = await peer.gets(party.sent.length);
  expect(received.map((packet) => hashPayload(decodeRtp(packet).payload))).toEqual(payloads(party));
}

function legsOf({ recordings }: CallState): { foreign: LegState; other: LegState } {
  const wasForeign = ({ sessions, recorder }: LegState) =>
    recorder === 'foreign' || sessions.some((session) => session.recorder === 'foreign');
  const foreign = recordings.find(wasForeign);
  const other = recordings.find((leg) => !wasForeign(leg));
  if (foreign === undefined || other === undefined) throw new Error(JSON.stringify(recordings));
  return { foreign, other };
}

describe.each(['udp', 'tcp'] as const)('a foreign recorder over %s', (transport) => {
  it('that answers late gets the call from its first packet on', async () => {
    const media = await mediaPorts();
    const keys = keysOf(media);
    const sipp = await SippProcess.listen({ scenario: 'called-late', transport, dir, keys });
    const [, call] = await callWith(sipp, 'late');
    const talk = call.talk(PACKETS);
    await sipp.logs('INVITE');
    expect(legsOf(await call.state()).foreign.state).toBe('inviting');
    await call.recording();
    await talk;
    await expectAll(media.a, call.a);
    await expectAll(media.b, call.b);
    const { foreign } = legsOf(await call.state());
    expect(foreign).toMatchObject({ recorder: 'foreign', state: 'recording' });
    expect(foreign.sessions).toHaveLength(1);
    expect(foreign.streams).toMatchObject({ a: { lostPackets: 0 }, b: { lostPackets: 0 } });
    await endAndCheck(call, sipp);
  });

  it('that answers inactive first gets the whole call when it asks for it', async () => {
    const media = await mediaPorts();
    const keys = keysOf(media);
    const sipp = await SippProcess.listen({
      scenario: 'called-inactive-first',
      transport,
      dir,
      keys,
    });
    const [, call] = await callWith(sipp, 'inactive');
    await call.talk(PACKETS);
    await sipp.logs('200');
    await expectAll(media.a, call.a);
    await expectAll(media.b, call.b);
    const { foreign } = legsOf(await call.state());
    expect(foreign).toMatchObject({ recorder: 'foreign', state: 'recording' });
    await endAndCheck(call, sipp);
  });

  it('that redirects has the leg recorded where it says', async () => {
    const target = await RecorderProcess.start();
    open.push(() => target.dispose());
    const keys = {
      status: 302,
      elsewhere: `sip:moved@127.0.0.1:${target.port};transport=${transport}`,
    };
    const sipp = await SippProcess.listen({ scenario: 'called-refuse', transport, dir, keys });
    const [, call] = await callWith(sipp, 'redirected');
    await call.talk(PACKETS);
    const { recordings } = await call.recording();
    const foreign = recordings.find(({ recorder }) => recorder === 'foreign');
    expect(foreign?.sessions).toHaveLength(1);
    await call.hangUp();
    const { streams } = await target.recording('moved');
    expect(streams.map(({ packets }) => packets)).toEqual([PACKETS, PACKETS]);
  });

  it.each([486, 503])(
    'that answers %i has the leg recorded by the next, all of it',
    async (status) => {
      const keys = { status, elsewhere: 'sip:127.0.0.1' };
      const sipp = await SippProcess.listen({ scenario: 'called-refuse', transport, dir, keys });
      const [, call] = await callWith(sipp, 'refused');
      await call.talk(PACKETS);
      const { recordings } = await call.recording();
      expect(sipp.log).toEqual(['INVITE', 'ACK']);
      expect(sipp.errors).not.toContain('Aborting call');
      expect(recordings.map(({ recorder }) => recorder).sort()).toEqual(['r1', 'r2']);
      const media = recordings.map(({ recorder, recordId }) =>
        join(dir, 'recordings', recorder ?? '', recordId),
      );
      await call.hangUp();
      await call.whole(media);
      for (const folder of media) {
        const recorded = readRtpWithTshark(join(folder, 'media.pcapng'));
        for (const party of [call.a, call.b]) {
          const sent = new Set(payloads(party));
          const own = recorded.filter(({ payloadHash }) => sent.has(payloadHash));
          expect(own.map(({ payloadHash }) => payloadHash)).toEqual(payloads(party));
        }
      }
    },
  );
});

async function endAndCheck(call: PlacedCall, sipp: SippProcess): Promise<void> {
  await call.hangUp();
  await sipp.logs('BYE');
  expect(sipp.errors).not.toContain('Aborting call');
}
