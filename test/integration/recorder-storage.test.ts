import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRtpWithTshark } from '../support/media-compare.ts';
import { PlacedCall } from '../support/placed-call.ts';
import { RecorderProcess, until } from '../support/recorder-process.ts';
import { SiprecSource } from '../support/siprec-source.ts';
import { TandemProcess } from '../support/tandem-process.ts';

const open: (() => unknown)[] = [];
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-storage-'));
  open.push(() => {
    rmSync(dir, { recursive: true, force: true });
  });
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function recorderOn(recordings: string, flags: string[] = []): Promise<RecorderProcess> {
  const recorder = await RecorderProcess.start(['--drain-ms', '0', ...flags], dir, recordings);
  open.push(() => recorder.stop());
  return recorder;
}

async function newSource(): Promise<SiprecSource> {
  const source = await SiprecSource.create();
  open.push(() => source.close());
  return source;
}

/** A file system of its own, unmounted after the test. */
function smallDisk(bytes: number): string {
  const disk = join(dir, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', disk]);
  open.push(() => execFileSync('umount', ['-l', disk]));
  return disk;
}

/** Leaves `freeBytes` of a disk. */
function fill(disk: string, freeBytes: number): void {
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(join(disk, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - freeBytes)));
}

function canMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), 'tandem-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

describe.skipIf(!canMount())('on a full disk (needs the right to mount a tmpfs)', () => {
  it('refuses a session with 503, and says so to OPTIONS', async () => {
    const source = await newSource();
    const recorder = await recorderOn(smallDisk(1_048_576));
    const { status } = await source.userAgent.options({ uri: recorder.uri, timeoutMs: 2_000 });
    expect(status).toBe(503);
    await expect(source.establish('full', recorder.uri)).rejects.toMatchObject({ status: 503 });
    expect(readdirSync(recorder.recordings)).toEqual([]);
  });

  it('refuses with 503 what it cannot even begin, and keeps nothing of it', async () => {
    const source = await newSource();
    const disk = smallDisk(262_144);
    const recorder = await recorderOn(disk, ['--min-free', '0']);
    fill(disk, 0);
    await expect(source.establish('full', recorder.uri)).rejects.toMatchObject({ status: 503 });
    expect(readdirSync(disk)).toEqual(['filler']);
    rmSync(join(disk, 'filler'));
    await source.establish('full', recorder.uri);
  });

  it('ends a session with BYE and Reason, keeps what it has, and finishes it when there is room', async () => {
    const source = await newSource();
    const disk = smallDisk(524_288);
    // Looks as often as it would ask silent clients.
    const recorder = await recorderOn(disk, ['--min-free', '0', '--idle-ms', '500']);
    const media = await source.establish('filling', recorder.uri);
    await source.talk(media, 20);
    fill(disk, 4_096);
    await source.talk(media, 40);
    await until(() => source.ended.length === 1, 'BYE');
    expect(source.ended).toMatchObject([{ recordId: 'filling', reason: 'srs_bye' }]);
    expect(source.ended[0]?.detail).toContain('disk full');
    const file = join(recorder.folder('filling'), 'media.pcapng');
    await until(() => readdirSync(recorder.folder('filling')).includes('media.pcapng'), 'renamed');
    const kept = readRtpWithTshark(file).length;
    expect(kept).toBeGreaterThanOrEqual(40);
    expect(kept).toBeLessThan(120);

    rmSync(join(disk, 'filler'));
    const recording = await recorder.recording('filling');
    expect(recording).toMatchObject({
      endReason: 'disk full',
      verdict: 'stopped: ENOSPC',
      capture: { failed: 'ENOSPC' },
      wav: { channels: 2 },
    });
    expect(readRtpWithTshark(file)).toHaveLength(kept);
  });

  it('has the leg of a call go on elsewhere', async () => {
    const disk = smallDisk(524_288);
    const recorder = await recorderOn(disk, ['--min-free', '0']);
    const tandem = await TandemProcess.start({
      recorders: {
        embedded: { count: 2, zones: ['east'], dir: join(dir, 'recordings') },
        list: [{ id: 'small', uri: recorder.uri, zone: 'west' }],
      },
    });
    open.push(() => tandem.dispose());
    const call = await PlacedCall.place(tandem, { id: 'moves' });
    open.push(() => {
      call.a.close();
      call.b.close();
    });
    await call.recording();
    await call.talk(20);
    fill(disk, 4_096);
    await call.talk(60);
    const { recordings, failovers } = await tandem.until(
      () => call.recording(),
      ({ failovers: moved }) => moved.length > 0,
    );
    expect(recordings.map(({ recorder: id }) => id).sort()).toEqual(['r1', 'r2']);
    expect(failovers).toMatchObject([{ from: 'small', lostPackets: 0 }]);
    // Its port is closed just before its BYE is on the way: either may be known first.
    expect(['srs_bye', 'icmp']).toContain(failovers[0]?.reason);
  });
});

it('refuses a session with 503 while the folder cannot be written', async () => {
  const source = await newSource();
  const recorder = await recorderOn(join(dir, 'recordings'));
  rmSync(recorder.recordings, { recursive: true });
  writeFileSync(recorder.recordings, 'in the way');
  await expect(source.establish('unwritable', recorder.uri)).rejects.toMatchObject({ status: 503 });
  rmSync(recorder.recordings);
  mkdirSync(recorder.recordings);
  await source.establish('unwritable', recorder.uri);
});

describe('a record identifier', () => {
  it('names one folder: another session under it gets one of its own, also after its end', async () => {
    const source = await newSource();
    const other = await newSource();
    const recorder = await recorderOn(join(dir, 'recordings'));
    const media = await source.establish('same', recorder.uri);
    await other.establish('same', recorder.uri);
    await other.client.end('same');
    await source.talk(media, 10);
    await source.client.end('same');
    const { streams } = await recorder.recording('same');
    expect(streams.map(({ packets }) => packets)).toEqual([10, 10]);
    await other.establish('same', recorder.uri);
    const folders = readdirSync(recorder.recordings);
    expect(folders).toHaveLength(3);
    expect(folders.every((folder) => /^same(-[0-9a-f-]{36})?$/.test(folder))).toBe(true);
  });

  it('that is none is refused with 400, and nothing is written anywhere', async () => {
    const source = await newSource();
    const recorder = await recorderOn(join(dir, 'recordings'));
    const before = readdirSync(dir);
    const names = ['..', '.', '.hidden', '../../evil', '..\\evil', 'a/b', '/tmp/evil', 'a\0b'];
    for (const name of [...names, 'ö', 'a b', 'x'.repeat(129)]) {
      const refused = source.establish(name, recorder.uri);
      await expect(refused, name).rejects.toMatchObject({ status: 400 });
    }
    await source.establish('x'.repeat(128), recorder.uri);
    expect(readdirSync(recorder.recordings)).toEqual(['x'.repeat(128)]);
    expect(readdirSync(dir)).toEqual(before);
  });
});
