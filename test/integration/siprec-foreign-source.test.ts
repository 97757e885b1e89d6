import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RecorderProcess, until } from '../support/recorder-process.ts';
import { encodeRtp } from '../support/rtp-party.ts';
import { SiprecSource } from '../support/siprec-source.ts';
import { SippProcess } from '../support/sipp/sipp-process.ts';
import type { SippTransport } from '../support/sipp/sipp-process.ts';
import { UdpPeer } from '../support/udp-peer.ts';

/** Recording clients that are not ours, with media, at the reference recorder. */

const PACKETS = 20;
let dir: string;
const open: (() => unknown)[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tandem-sipp-'));
  open.push(() => {
    rmSync(dir, { recursive: true, force: true });
  });
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function newRecorder(...flags: string[]): Promise<RecorderProcess> {
  const recorder = await RecorderProcess.start(['--drain-ms', '0', ...flags]);
  open.push(() => recorder.dispose());
  return recorder;
}

interface Caller {
  readonly sipp: SippProcess;
  /** Sends numbered packets of both parties to where the recorder wants them. */
  readonly talk: () => Promise<void>;
}

/** sipp's call stands when this resolves, and it hangs up `talkMs` later. */
async function callFrom(
  scenario: string,
  to: RecorderProcess,
  options: { transport: SippTransport; user: string; talkMs: number },
): Promise<Caller> {
  const { transport, user, talkMs } = options;
  const a = await UdpPeer.open();
  const b = await UdpPeer.open();
  open.push(
    () => a.close(),
    () => b.close(),
  );
  const keys = { media_a: a.address.port, media_b: b.address.port, talk: talkMs };
  const sipp = await SippProcess.call({ scenario, transport, dir, keys, user, to: to.port });
  open.push(() => sipp.stop());
  // The scenarios log where the answer wants the media.
  await until(() => sipp.log.length > 0, `an answer; ${sipp.errors}`);
  const ports = (sipp.log[0] ?? '').split(' ').map(Number);
  const talk = async (): Promise<void> => {
    for (let sequence = 0; sequence < PACKETS; sequence += 1) {
      for (const [index, peer] of [a, b].entries()) {
        const sample = { payloadType: 0, sequence, timestamp: 160 * sequence, ssrc: index + 1 };
        const packet = encodeRtp({ ...sample, marker: false, payload: Buffer.alloc(160, 0xff) });
        await peer.send({ ip: '127.0.0.1', port: ports[index] ?? 0 }, packet);
      }
    }
  };
  return { sipp, talk };
}

const transports = ['udp', 'tcp'] as const;

describe.each(transports)('a foreign recording client over %s', (transport) => {
  it.each([
    {
      what: 'a Contact without its bracket, metadata as plain rs-metadata, labels 10 and 20',
      scenario: 'calling-field',
      labels: ['10', '20'],
      parties: ['sip:alice@field.example', 'sip:bob@field.example'],
    },
    {
      what: 'a re-INVITE of one m-line of two',
      scenario: 'calling-one-line',
      labels: ['10', '20'],
      parties: ['sip:alice@field.example', 'sip:bob@field.example'],
    },
    {
      what: 'no metadata, no labels and no feature tag',
      scenario: 'calling-bare',
      labels: ['1', '2'],
      parties: [undefined, undefined],
    },
  ])('is recorded with $what', async ({ scenario, labels, parties }) => {
    const recorder = await newRecorder();
    const options = { transport, user: 'field', talkMs: 1_000 };
    const { sipp, talk } = await callFrom(scenario, recorder, options);
    await talk();
    expect({ code: await sipp.exited(), errors: sipp.errors }).toEqual({ code: 0, errors: '' });
    const { streams, endReason, verdict } = await recorder.recording('field');
    expect({ endReason, verdict }).toEqual({ endReason: 'bye', verdict: 'complete' });
    expect(streams.map(({ label }) => label)).toEqual(labels);
    expect(streams.map(({ party }) => party?.aor)).toEqual(parties);
    expect(streams.map(({ packets }) => packets)).toEqual([PACKETS, PACKETS]);
  });

  it('that vanished has its session ended and finished; one that is only silent keeps it', async () => {
    const recorder = await newRecorder('--idle-ms', '500');
    const silent = await SiprecSource.create();
    open.push(() => silent.close());
    const media = await silent.establish('silent', recorder.uriOver(transport));
    const options = { transport, user: 'vanished', talkMs: 60_000 };
    const { sipp, talk } = await callFrom('calling-bare', recorder, options);
    await talk();
    await sipp.stop();
    const { streams, endReason } = await recorder.recording('vanished');
    expect(streams.map(({ packets }) => packets)).toEqual([PACKETS, PACKETS]);
    expect(endReason).toMatch(/^(timeout|no media, and no answer from the recording client)$/);
    expect(silent.ended).toEqual([]);
    await silent.talk(media, PACKETS);
    await silent.client.end('silent');
    const { verdict } = await recorder.recording('silent');
    expect(verdict).toBe('complete');
    // Nor does the BYE that nobody answers hold up the recorder's end for its 32 s.
    expect(await recorder.stop()).toBe(0);
  });
});
