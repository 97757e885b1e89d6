import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRtpWithTshark } from '../support/media-compare.ts';
import { RecorderProcess, until } from '../support/recorder-process.ts';
import { SiprecSource } from '../support/siprec-source.ts';
import { TandemProcess } from '../support/tandem-process.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { isRunning } from '../support/running.ts';
import { toolEnvironment } from '../support/tshark.ts';

const PACKETS = 25;
let recorder: RecorderProcess;
let source: SiprecSource;

beforeEach(async () => {
  recorder = await RecorderProcess.start();
  source = await SiprecSource.create();
});

afterEach(async () => {
  await source.close();
  await recorder.dispose();
});

function channelsOf(wav: string): string {
  const show = ['-v', 'error', '-show_entries', 'stream=channels', '-of', 'csv=p=0'];
  return execFileSync('ffprobe', [...show, wav], { encoding: 'utf8', env: toolEnvironment }).trim();
}

describe('a recorder that is killed', () => {
  it('leaves a capture that tshark reads, and finishes the recording when it is back', async () => {
    const media = await source.establish('killed', recorder.uri);
    await source.talk(media, PACKETS);
    const folder = recorder.folder('killed');
    const partial = join(folder, 'media.partial.pcapng');
    // The last packets may still be on their way to the file.
    await until(() => readRtpWithTshark(partial).length >= 2 * PACKETS - 2, 'packets on disk');
    recorder.child.kill('SIGKILL');
    expect(await recorder.exited).toBe('SIGKILL');
    expect(existsSync(join(folder, 'recording.json'))).toBe(false);
    const kept = readRtpWithTshark(partial);
    expect(kept.length).toBeGreaterThanOrEqual(2 * PACKETS - 2);

    recorder = await RecorderProcess.start([], recorder.dir);
    const recording = await recorder.recording('killed');
    expect(recording.endReason).toBe('recorder died');
    expect(recording.streams.map(({ party }) => party?.aor)).toEqual([
      'sip:alice@example',
      'sip:bob@example',
    ]);
    expect(readRtpWithTshark(join(folder, 'media.pcapng'))).toEqual(kept);
    expect(channelsOf(join(folder, 'recording.wav'))).toBe('2');
    expect(existsSync(partial)).toBe(false);
  });
});

describe('a recorder that is told to stop', () => {
  it('goes at once with 0 when it has no session', async () => {
    const patient = await RecorderProcess.start(['--drain-ms', '600000'], recorder.dir);
    expect(await patient.stop()).toBe(0);
  });

  it('refuses what is new, keeps what it has, and goes when the last session was taken away', async () => {
    const media = await source.establish('moving', recorder.uri);
    recorder.child.kill('SIGTERM');
    const asked = { status: 200, retryAfter: '' };
    while (asked.status === 200) {
      const { status, headers } = await source.userAgent.options({
        uri: recorder.uri,
        timeoutMs: 2_000,
      });
      Object.assign(asked, { status, retryAfter: headers.get('Retry-After') });
    }
    expect(asked).toEqual({ status: 503, retryAfter: '5 (draining)' });
    await expect(source.establish('late', recorder.uri)).rejects.toMatchObject({ status: 503 });
    await source.talk(media, PACKETS);
    expect(source.ended).toEqual([]);
    await source.client.end('moving');
    expect(await recorder.exited).toBe(0);
    const { streams, verdict } = await recorder.recording('moving');
    expect(streams.map(({ packets }) => packets)).toEqual([PACKETS, PACKETS]);
    expect(verdict).toBe('complete');
    expect(readdirSync(recorder.recordings)).toEqual(['moving']);
  });

  it.each(['udp', 'tcp'] as const)(
    'ends with BYE over %s what is left when the time is up, files whole',
    async (transport) => {
      const hasty = await RecorderProcess.start(['--drain-ms', '300'], recorder.dir);
      const media = await source.establish('one', hasty.uriOver(transport));
      await source.establish('two', hasty.uriOver(transport));
      await source.talk(media, PACKETS);
      expect(await hasty.stop()).toBe(0);
      await until(() => source.ended.length === 2, 'both sessions end');
      expect(source.ended.map(({ recordId }) => recordId).sort()).toEqual(['one', 'two']);
      for (const { reason, detail } of source.ended) {
        expect(reason).toBe('srs_bye');
        expect(detail).toContain('SIP;cause=503');
      }
      const { streams, endReason } = await hasty.recording('one');
      expect(streams.map(({ packets }) => packets)).toEqual([PACKETS, PACKETS]);
      expect(endReason).toBe('shutting down');
      await hasty.recording('two');
    },
  );

  it('does not wait when told twice', async () => {
    const patient = await RecorderProcess.start(['--drain-ms', '600000'], recorder.dir);
    await source.establish('hurried', patient.uri);
    patient.child.kill('SIGTERM');
    patient.child.kill('SIGINT');
    expect(await patient.exited).toBe(0);
    await patient.recording('hurried');
  });
});

describe('tandem serve that ends', () => {
  it('ends every session with BYE at SIGTERM, leaves files whole and no process behind', async () => {
    const tandem = await TandemProcess.start();
    try {
      const calls = [];
      for (const id of ['one', 'two', 'three']) {
        const call = await PlacedCall.place(tandem, { id });
        await call.recording();
        await call.talk(PACKETS);
        calls.push(call);
      }
      const states = await Promise.all(calls.map((call) => call.state()));
      const pids = (await tandem.recorders()).map(({ pid }) => pid ?? 0);
      expect(pids.filter(isRunning)).toHaveLength(3);
      expect(await tandem.stop()).toBe(0);
      expect(pids.filter(isRunning)).toEqual([]);
      for (const [index, { recordings }] of states.entries()) {
        const call = calls[index] as PlacedCall;
        for (const leg of recordings) {
          expect(call.recorded(leg)).toHaveLength(2 * PACKETS);
          for (const folder of call.folders(leg)) {
            expect(readdirSync(folder).sort()).toEqual([
              'media.pcapng',
              'metadata.xml',
              'recording.json',
              'recording.wav',
            ]);
          }
        }
        call.a.close();
        call.b.close();
      }
    } finally {
      await tandem.dispose();
    }
  });
});
