import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { Party } from '../../src/recording/interfaces.ts';
import { hashPayload } from '../support/media-compare.ts';
import { RtpEndpoint } from '../support/rtp-endpoint.ts';
import {
  alarmsOf,
  arrived,
  assign,
  end,
  expectWhole,
  ledgerOf,
  legOn,
  m1,
  m2,
  mediaHost,
  nothing,
  place,
  recordingOf,
  talkOn,
  tandem,
  told,
  useMeddledRecorders,
} from '../support/meddled-recorders.ts';

useMeddledRecorders();

describe('senders whose numbers have gaps', () => {
  it('move no leg, and all that came is in both recordings', async () => {
    const call = await place({ id: 'gaps', stream: { intervalMs: 10 } });
    await call.recording();
    const skipping = async (party: Party, gapAfter: (index: number) => number): Promise<void> => {
      for (let index = 0; index < 300; index += 1) {
        await call[party].stream(call.ports[party], { count: 2 });
        const gap = gapAfter(index);
        call[party].sequence = (call[party].sequence + gap) & 0xffff;
        call[party].timestamp += gap * 160;
      }
    };
    const oneByOne = async (): Promise<void> => {
      for (let index = 0; index < 300; index += 1) {
        await call.a.stream(call.ports.a, { count: 1 });
        call.a.sequence = (call.a.sequence + 1) & 0xffff;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    // One counts by two, of the other 60 % is lost on its way.
    await Promise.all([oneByOne(), skipping('b', () => 3)]);
    await arrived(call, 300);
    const all = await end(call);
    expect(all.state.failovers).toEqual([]);
    expectWhole(all);
    const [a, b] = all.ledger.streams;
    expect(a).toMatchObject({ receivedPackets: 300, lostBeforeUsPackets: 299 });
    expect(b).toMatchObject({ receivedPackets: 600, lostBeforeUsPackets: 3 * 299 });
  });
});

describe('media that a recorder does not get', () => {
  it('is replayed to another one while it is in the ring, though signalling is well', async () => {
    const call = await place({ id: 'cut' });
    await call.recording();
    await assign('spare', 'up');
    const leg = legOn('m1', await call.state());
    const quiet = talkOn(call);
    await arrived(call, 35);
    m1.meddling.fate = () => 'lose';
    const moved = await tandem.until(
      () => call.state(),
      ({ failovers }) => failovers.some(({ to }) => to === 'spare'),
    );
    expect(moved.failovers).toMatchObject([{ leg: leg.leg, from: 'm1', reason: 'rtcp_silence' }]);
    await arrived(call, call.a.sent.length + 20);
    await quiet();
    expectWhole(await end(call));
  });

  it('leaves nobody recording and nothing complete when it is all of them, and that is told', async () => {
    for (const { meddling } of [m1, m2]) meddling.fate = () => 'lose';
    const call = await place({ id: 'nowhere' });
    const quiet = talkOn(call);
    await told(call, 'leg-without-recorder');
    const { recordings } = await call.state();
    expect(recordings.map(({ state }) => state)).not.toContain('recording');
    await quiet();
    const { ledger, missing, state } = await end(call);
    expect(missing[0]!.a).toHaveLength(call.a.sent.length);
    expect(state.recordings.map(({ streams }) => streams.a.lostPackets)).toEqual([
      call.a.sent.length,
      call.a.sent.length,
    ]);
    expect(ledger.verdict).toMatch(/^missing \d+ ms$/);
    for (const { verdict } of ledger.legs) expect(verdict).toMatch(/^missing \d+ ms$/);
    expect(await told(call, 'verdict')).toContain('verdict');
  });

  it.skipIf(process.getuid?.() !== 0)(
    'because our own host does not send there is in the next one, all of it',
    async () => {
      const call = await place({ id: 'unsendable' });
      await call.recording();
      await assign('spare', 'up');
      const quiet = talkOn(call);
      await arrived(call, 30);
      const route = (action: string) =>
        execFileSync('ip', ['route', action, 'blackhole', mediaHost, 'table', 'local']);
      route('add');
      try {
        const state = await tandem.until(
          () => call.state(),
          ({ failovers }) => failovers.some(({ to }) => to === 'spare'),
        );
        expect(state.failovers).toMatchObject([{ from: 'm1', to: 'spare', reason: 'unsendable' }]);
        await quiet();
        expectWhole(await end(call));
      } finally {
        route('del');
      }
    },
  );

  it('is named by number though its sender sends everything twice', async () => {
    m1.meddling.fate = ({ kind, stream, to, packet }) => {
      if (kind !== 'rtp' || stream !== 0 || to !== 'recorder' || packet[1]! >= 192) return 'pass';
      const index = packet.readUInt32BE(12);
      return index >= 60 && index < 80 ? 'lose' : 'pass';
    };
    const call = await place({ id: 'twice' });
    await call.recording();
    const b = call.b.stream(call.ports.b, { count: 60 });
    for (let index = 0; index < 60; index += 1) {
      await call.a.stream(call.ports.a, { count: 1 });
      const { payload, sequence, timestamp } = call.a.sent.at(-1)!;
      const again = { payload, sequence, timestamp };
      const next = { sequence: call.a.sequence, timestamp: call.a.timestamp };
      call.a.sendOne(call.ports.a, again);
      Object.assign(call.a, next);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    await b;
    await arrived(call, 60);
    const { state, ledger, missing } = await end(call);
    const { leg } = legOn('m1', state);
    expect(missing[leg - 1]!.a).toHaveLength(20);
    const stream = ledger.streams.find(({ party }) => party === 'a')!;
    const first = stream.received[0]!.first;
    expect(stream.legs.find((own) => own.leg === leg)!.missing).toMatchObject([
      { first: first + 30, last: first + 39 },
    ]);
    expect(ledger.legs.find((own) => own.leg === leg)!.verdict).toBe('missing 200 ms');
    expect(ledger.verdict).toBe('complete-by-merge');
    expect(stream.missingFromUnion).toEqual([]);
  });
});

describe('a party that is not heard', () => {
  it('is told of while the call lasts, by ledger and by recordings', async () => {
    const call = await place({ id: 'one-way' });
    await call.recording();
    await call.a.stream(call.ports.a, { count: 30 });
    const alarms = await tandem.until(
      () => alarmsOf(call),
      (all) => all.some(({ kind }) => kind === 'no-media'),
    );
    expect(alarms).toMatchObject([{ kind: 'no-media', details: { parties: ['b'] } }]);
    expect(await ledgerOf(call)).toMatchObject({ verdict: 'no-media' });
    const { state, ledger } = await end(call);
    expect(ledger).toMatchObject({
      verdict: 'no-media',
      legs: [{ verdict: 'no-media' }, { verdict: 'no-media' }],
    });
    for (const leg of state.recordings) {
      expect(recordingOf(call, leg)).toMatchObject({
        verdict: 'no-media: 2',
        streams: [
          { packets: 30, verdict: 'complete' },
          { packets: 0, verdict: 'no-media' },
        ],
      });
    }
  });

  it('because another socket of its address was first is heard as soon as it sends', async () => {
    const call = await place({ id: 'announced' });
    await call.recording();
    const other = await RtpEndpoint.open({ ssrc: 0xcccc0001 });
    await other.stream(call.ports.a, { count: 20 });
    const goesOn = other.stream(call.ports.a, { count: 50 });
    call.a.sendOne(call.ports.a);
    await tandem.until(
      () => call.state(),
      ({ parties }) => parties.a.latched?.port === call.a.port,
    );
    await Promise.all([call.talk(50), goesOn]);
    other.close();
    const hashes = (packets: readonly { payload: Buffer }[]): Set<string> =>
      new Set(packets.map(({ payload }) => hashPayload(payload)));
    await tandem.until(
      () => Promise.resolve([hashes(call.b.received), hashes(call.a.received)] as const),
      ([b, a]) =>
        [...hashes(call.a.sent)].every((hash) => b.has(hash)) &&
        [...hashes(call.b.sent)].every((hash) => a.has(hash)),
    );
    const { missing, ledger } = await end(call);
    expect(missing).toEqual([nothing, nothing]);
    expect(ledger.verdict).toBe('complete');
  });
});
