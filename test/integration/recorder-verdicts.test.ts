import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRtpWithTshark } from '../support/media-compare.ts';
import { RecorderProcess, until } from '../support/recorder-process.ts';
import { rtpRun } from '../support/rtp-fixtures.ts';
import { SiprecSource } from '../support/siprec-source.ts';
import { UdpPeer } from '../support/udp-peer.ts';

const PACKETS = 25;
let recorder: RecorderProcess;
let source: SiprecSource;

beforeEach(async () => {
  recorder = await RecorderProcess.start(['--idle-ms', '500']);
  source = await SiprecSource.create();
});
afterEach(async () => {
  await source.close();
  await recorder.dispose();
});

/** At once for whoever looks at its place, where `content` stands then, if there is any. */
function remove(folder: string, content?: string): void {
  const away = `${folder}.away`;
  renameSync(folder, away);
  if (content !== undefined) writeFileSync(folder, content);
  rmSync(away, { recursive: true });
}

describe('a recording says', () => {
  it('no-media when no packet came', async () => {
    await source.establish('silent', recorder.uri);
    await source.client.end('silent');
    const { verdict, streams } = await recorder.recording('silent');
    expect(verdict).toBe('no-media');
    expect(streams.map((stream) => stream.verdict)).toEqual(['no-media', 'no-media']);
  });

  it('which stream had none', async () => {
    const media = await source.establish('one-way', recorder.uri);
    await source.a.stream(media.a.rtp, { count: PACKETS });
    await source.client.end('one-way');
    const { verdict, streams } = await recorder.recording('one-way');
    expect(verdict).toBe(`no-media: ${streams[1]?.label ?? ''}`);
    expect(streams.map((stream) => stream.verdict)).toEqual(['complete', 'no-media']);
  });

  it('what was refused for its source address', async () => {
    const media = await source.establish('elsewhere', recorder.uri);
    const stranger = await UdpPeer.open('127.0.0.2');
    await stranger.send(media.a.rtp, ...rtpRun(1, PACKETS));
    await stranger.close();
    await source.client.end('elsewhere');
    const { verdict, streams } = await recorder.recording('elsewhere');
    expect(verdict).toBe('no-media');
    expect(streams).toMatchObject([
      { verdict: 'no-media', packets: 0, refused: { stranger: PACKETS } },
      { verdict: 'no-media', refused: {} },
    ]);
  });

  it('unproven where the rest of a stream came from another host and was refused', async () => {
    const media = await source.establish('moved', recorder.uri);
    await source.talk(media, 10);
    const stranger = await UdpPeer.open('127.0.0.2');
    await stranger.send(media.a.rtp, ...rtpRun(60_000, PACKETS, { ssrc: 0xa1 }));
    await stranger.close();
    await source.client.end('moved');
    const { verdict, streams } = await recorder.recording('moved');
    expect(verdict).toBe('unproven');
    expect(streams).toMatchObject([
      { verdict: 'unproven', packets: 10, refused: { stranger: PACKETS } },
      { verdict: 'complete', packets: 10 },
    ]);
  });

  it('which stream a re-INVITE offered in vain', async () => {
    const request = source.request('grows', recorder.uri);
    const [a, b] = request.streams;
    const { media } = await source.client.establish({ ...request, streams: [a!] });
    await source.a.stream(media.a!.rtp, { count: PACKETS });
    await source.client.update('grows', { streams: [a!, b!], paused: false });
    await source.client.end('grows');
    const { verdict, streams, notRecorded } = await recorder.recording('grows');
    expect(streams).toMatchObject([{ verdict: 'complete', packets: PACKETS }]);
    expect(notRecorded).toMatchObject([{ protocol: 'RTP/AVP' }]);
    expect(verdict).toBe(`not recorded: ${notRecorded?.[0]?.label ?? ''}`);
  });

  it('nothing of the end where the recorder died before it', async () => {
    const media = await source.establish('killed', recorder.uri);
    await source.talk(media, PACKETS);
    const partial = join(recorder.folder('killed'), 'media.partial.pcapng');
    await until(() => readRtpWithTshark(partial).length === 2 * PACKETS, 'packets on disk');
    recorder.child.kill('SIGKILL');
    await recorder.exited;
    recorder = await RecorderProcess.start([], recorder.dir);
    const { verdict, streams } = await recorder.recording('killed');
    expect(verdict).toBe('unproven');
    expect(streams.map((stream) => stream.verdict)).toEqual(['unproven', 'unproven']);
  });
});

describe('a folder that is deleted under a recording', () => {
  it('is there again with all that was received', async () => {
    const media = await source.establish('deleted', recorder.uri);
    await source.talk(media, PACKETS);
    const folder = recorder.folder('deleted');
    remove(folder);
    await source.talk(media, PACKETS);
    await until(() => existsSync(join(folder, 'metadata.xml')), 'made again');
    await source.talk(media, PACKETS);
    await source.client.end('deleted');
    const { verdict, streams, capture } = await recorder.recording('deleted');
    expect(verdict).toBe('complete');
    expect(capture.restored).toBe(1);
    expect(streams.map(({ packets }) => packets)).toEqual([3 * PACKETS, 3 * PACKETS]);
    expect(readRtpWithTshark(join(folder, 'media.pcapng'))).toHaveLength(6 * PACKETS);
    expect(readdirSync(folder).sort()).toEqual([
      'media.pcapng',
      'metadata.xml',
      'recording.json',
      'recording.wav',
    ]);
  });

  it('is there again, too, when that was just before the end', async () => {
    const media = await source.establish('deleted', recorder.uri);
    await source.talk(media, PACKETS);
    remove(recorder.folder('deleted'));
    await source.client.end('deleted');
    const { verdict, capture } = await recorder.recording('deleted');
    expect([verdict, capture.restored]).toEqual(['complete', 1]);
  });

  it('ends the session where it cannot be made again, and the recording says what is gone', async () => {
    const media = await source.establish('gone', recorder.uri);
    await source.talk(media, PACKETS);
    remove(recorder.recordings, 'in the way');
    await until(() => source.ended.length === 1, 'BYE');
    expect(source.ended[0]?.detail).toContain('storage failed');
    rmSync(recorder.recordings);
    mkdirSync(recorder.recordings);
    const { verdict, streams, capture } = await recorder.recording('gone');
    expect(verdict).toBe('stopped: ENOTDIR');
    expect(capture.failed).toBe('ENOTDIR');
    expect(streams.map((stream) => stream.verdict)).toEqual([
      `missing ${PACKETS} packets`,
      `missing ${PACKETS} packets`,
    ]);
  });
});
