import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SessionEvents } from '../../src/recording/interfaces.ts';
import { RecorderProcess } from '../support/recorder-process.ts';
import { SiprecSource } from '../support/siprec-source.ts';
import { Sipp } from './siprec/sipp.ts';
import type { SippTransport } from './siprec/sipp.ts';

let dir: string;
let source: SiprecSource;
const running: Sipp[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-siprec-'));
  source = await SiprecSource.create();
});

afterEach(async () => {
  for (const sipp of running.splice(0)) sipp.kill();
  await source.close();
  rmSync(dir, { recursive: true, force: true });
});

async function srs(scenario: string, transport: SippTransport, ...args: string[]): Promise<Sipp> {
  const sipp = await Sipp.start(scenario, { transport, dir, args });
  running.push(sipp);
  return sipp;
}

async function endedWell(sipp: Sipp): Promise<void> {
  const code = await sipp.exit;
  expect(code === 0 ? '' : sipp.output).toBe('');
}

/** The establishment's own words for why it failed. */
function refusal(uri: string): Promise<unknown> {
  return source.client.establish(source.request('refused', uri)).then(
    () => 'established',
    (error: unknown) => error,
  );
}

describe.each<SippTransport>(['udp', 'tcp'])(
  'a recorder that is not ours, over %s',
  (transport) => {
    test('takes a session although it answers after two seconds', async () => {
      const sipp = await srs('srs-late', transport);
      const media = await source.establish('late', sipp.uri(transport));
      expect(media.a.rtp.ip).toBe('127.0.0.1');
      expect(media.b.rtp.port).toBe(media.a.rtp.port + 2);
      await source.client.end('late');
      await endedWell(sipp);
    });

    test('gets no media while it answers inactive, and gets it when it asks', async () => {
      const sipp = await srs('srs-inactive-first', transport);
      const changed = once(source.client, 'mediaChanged') as Promise<SessionEvents['mediaChanged']>;
      const { media } = await source.client.establish(source.request('wait', sipp.uri(transport)));
      expect(media).toEqual({});
      const [{ recordId, media: later }] = await changed;
      expect(recordId).toBe('wait');
      expect(later.b?.rtp.port).toBe((later.a?.rtp.port ?? 0) + 2);
      await source.client.end('wait');
      await endedWell(sipp);
    });

    test('gets a full snapshot in a transaction of its own when it asks for one', async () => {
      const sipp = await srs('srs-snapshot', transport);
      // It hangs up once it has it.
      const ended = once(source.client, 'ended') as Promise<SessionEvents['ended']>;
      await source.establish('snapshot', sipp.uri(transport));
      expect((await ended)[0].detail).toContain('snapshot taken');
      await endedWell(sipp);
    });

    test('is heard when it hangs up, with its reason', async () => {
      const sipp = await srs('srs-bye', transport);
      const ended = once(source.client, 'ended') as Promise<SessionEvents['ended']>;
      await source.establish('bye', sipp.uri(transport));
      expect(await ended).toEqual([
        { recordId: 'bye', reason: 'srs_bye', detail: 'Q.850;cause=41' },
      ]);
      expect(source.client.sessionCount).toBe(0);
      await endedWell(sipp);
    });

    test('may send the session to another address', async () => {
      const target = await srs('srs-late', transport);
      const sipp = await srs('srs-redirect', transport, '-key', 'target', String(target.port));
      await source.establish('moved', sipp.uri(transport));
      await source.client.end('moved');
      await endedWell(sipp);
      await endedWell(target);
    });

    test.each([486, 503])('refuses with %i, and that is known at once', async (status) => {
      const sipp = await srs(`srs-${status}`, transport);
      const error = await refusal(sipp.uri(transport));
      expect(error).toMatchObject({ code: 'SESSION_REFUSED', details: { status } });
      await endedWell(sipp);
    });
  },
);

test('nobody at the address is a transport failure or a timeout, with its code', async () => {
  const { client } = source;
  const request = source.request('nobody', 'sip:127.0.0.1:9;transport=tcp');
  await expect(client.establish({ ...request, timeoutMs: 1_000 })).rejects.toMatchObject({
    code: 'SESSION_TRANSPORT',
  });
  const silent = source.request('silent', 'sip:127.0.0.1:9;transport=udp');
  await expect(client.establish({ ...silent, timeoutMs: 300 })).rejects.toMatchObject({
    code: expect.stringMatching(/^SESSION_(TIMEOUT|TRANSPORT)$/) as string,
  });
});

test('an establishment that is called off ends with its code and leaves no session', async () => {
  const sipp = await srs('srs-late', 'udp');
  const abort = new AbortController();
  const request = source.request('off', sipp.uri('udp'));
  const established = source.client.establish(request, abort.signal);
  abort.abort();
  await expect(established).rejects.toMatchObject({ code: 'SESSION_CANCELLED' });
  expect(source.client.sessionCount).toBe(0);
});

describe.each<SippTransport>(['udp', 'tcp'])('an SRC that is not ours, over %s', (transport) => {
  test('is recorded with its own labels, a refresh without SDP and a re-INVITE of one m-line', async () => {
    const recorder = await RecorderProcess.start();
    try {
      const sipp = await Sipp.start('src-field', {
        transport,
        dir,
        remote: `127.0.0.1:${recorder.port}`,
        args: ['-s', 'field-1'],
      });
      running.push(sipp);
      await endedWell(sipp);
      const { streams, endReason } = await recorder.recording('field-1');
      expect(endReason).toBe('bye');
      expect(streams.map(({ label, party }) => [label, party?.name])).toEqual([
        ['10', undefined],
        ['20', 'Bob'],
      ]);
      const metadata = readFileSync(join(recorder.folder('field-1'), 'metadata.xml'), 'utf8');
      expect(metadata).toContain('sip:bob@biloxi.example');
    } finally {
      await recorder.dispose();
    }
  });
});

test('our SRC pauses, resumes and moves a stream on our recorder', async () => {
  const recorder = await RecorderProcess.start();
  try {
    const media = await source.establish('ours', recorder.uri);
    const { streams } = source.request('ours', recorder.uri);
    await source.talk(media, 10);
    const paused = await source.client.update('ours', { streams, paused: true });
    expect(paused.media).toEqual(media);
    const one = await source.client.update('ours', { streams: streams.slice(0, 1), paused: false });
    expect(one.media).toEqual({ a: media.a });
    const resumed = await source.client.update('ours', { streams, paused: false });
    expect(resumed.media).toEqual(media);
    await source.talk(media, 10);
    await source.client.end('ours');
    const recording = await recorder.recording('ours');
    expect(recording.streams.map(({ packets, lostPackets }) => [packets, lostPackets])).toEqual([
      [20, 0],
      [20, 0],
    ]);
    expect(recording.streams.map(({ party }) => party?.aor)).toEqual([
      'sip:alice@example',
      'sip:bob@example',
    ]);
  } finally {
    await recorder.dispose();
  }
});
