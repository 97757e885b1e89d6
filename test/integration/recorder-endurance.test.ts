import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RecorderProcess, until } from '../support/recorder-process.ts';
import { SiprecSource } from '../support/siprec-source.ts';

const SESSIONS = 500;
const AT_ONCE = 10;
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

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
}

/** Short sessions of two packets a party, each ended by BYE and finished. */
async function record(first: number, count: number): Promise<void> {
  for (let at = first; at < first + count; at += AT_ONCE) {
    const names = Array.from({ length: AT_ONCE }, (_, index) => `short-${at + index}`);
    await Promise.all(
      names.map(async (name) => {
        const transport = name.endsWith('1') ? 'udp' : 'tcp';
        const media = await source.establish(name, recorder.uriOver(transport));
        source.a.sendOne(media.a.rtp);
        source.b.sendOne(media.b.rtp);
        await source.client.end(name);
      }),
    );
  }
  const names = Array.from({ length: count }, (_, index) => `short-${first + index}`);
  await until(
    () => names.every((name) => readdirSync(recorder.folder(name)).includes('recording.json')),
    'recordings are whole',
  );
}

it('keeps neither files nor memory of 500 sessions that are over', async () => {
  // SIP keeps transactions for 32 s, and the heap has its ease: both are at their usual size after as many.
  await record(0, SESSIONS);
  const files = openFiles(recorder.pid);
  const bytes = residentBytes(recorder.pid);
  await record(SESSIONS, SESSIONS);
  expect(openFiles(recorder.pid)).toBeLessThanOrEqual(files);
  // The sanitizers hold back what is freed.
  if (process.env['TANDEM_EDGE_ADDON'] === undefined) {
    expect(residentBytes(recorder.pid) - bytes).toBeLessThan(64 * 1_048_576);
  }
  const unfinished = readdirSync(recorder.recordings).filter((name) =>
    readdirSync(recorder.folder(name)).some((file) => /partial|tmp/.test(file)),
  );
  expect(unfinished).toEqual([]);
}, 120_000);
