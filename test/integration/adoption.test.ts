import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SessionEvents } from '../../src/recording/interfaces.ts';
import type { IncomingInvite } from '../../src/sip/ua/incoming-invite.ts';
import type { SipDialog } from '../../src/sip/ua/dialog.ts';
import type { SipUserAgent } from '../../src/sip/ua/user-agent.ts';
import { readSiprecBody } from '../../src/siprec/body.ts';
import { METADATA_NAMESPACE, METADATA_REQUEST_TYPE } from '../../src/siprec/metadata.ts';
import { RecorderProcess, until } from '../support/recorder-process.ts';
import { SiprecSource } from '../support/siprec-source.ts';
import { SippProcess } from '../support/sipp/sipp-process.ts';
import { SourceProcess } from '../support/source-process.ts';
import { uriOf, userAgent } from './sip/peers.ts';

const open: (() => unknown)[] = [];
/** Whose media it is, whoever signals. */
let media: SiprecSource;
let dead: SourceProcess;

beforeEach(async () => {
  media = await SiprecSource.create();
  open.push(() => media.close());
  dead = await SourceProcess.start();
  open.push(() => dead.kill());
});

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** At the address of the process that died. */
async function successor(): Promise<SiprecSource> {
  const source = await SiprecSource.create(dead.port);
  open.push(() => source.close());
  return source;
}

/** A recorder by hand. */
async function recorderThat(onInvite: (invite: IncomingInvite) => void): Promise<SipUserAgent> {
  const recorder = await userAgent(onInvite, { extensions: ['siprec'] });
  open.push(() => recorder.close());
  return recorder;
}

/** As a recorder answers that takes the first two streams at these ports. */
function answer(port: number, direction = 'recvonly'): { body: Buffer; contentType: string } {
  const line = (at: number) => `m=audio ${at} RTP/AVP 0\r\na=${direction}\r\n`;
  const head = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n';
  return {
    body: Buffer.from(head + line(port) + line(port + 2)),
    contentType: 'application/sdp',
  };
}

describe.each(['udp', 'tcp'] as const)(
  'over %s, a process is killed and the next one',
  (transport) => {
    it('goes on with the session on a recorder, which notices nothing', async () => {
      const recorder = await RecorderProcess.start();
      open.push(() => recorder.dispose());
      const request = media.request('kept', recorder.uriOver(transport));
      await dead.do({ do: 'establish', request });
      const { streams } = request;
      await dead.do({ do: 'update', recordId: 'kept', streams, paused: true });
      const left = await dead.leaves('kept');

      const { client } = await successor();
      const to = client.adopt('kept', left)?.media;
      if (to?.a === undefined || to.b === undefined) throw new Error('no media');
      const both = { a: to.a, b: to.b };
      expect(await client.update('kept', { streams, paused: false })).toEqual({ media: both });
      await media.talk(both, 10);
      await client.end('kept');
      const recording = await recorder.recording('kept');
      expect(recording.endReason).toBe('bye: SIP;cause=200;text="recording ended"');
      expect(recording.streams.map(({ packets }) => packets)).toEqual([10, 10]);
      expect(readdirSync(recorder.recordings)).toEqual(['kept']);
    });

    it('is asked by the recorder what the first would have been asked, and hears its BYE', async () => {
      const called = Promise.withResolvers<SipDialog>();
      const recorder = await recorderThat((invite) => {
        called.resolve(invite.accept({ ...answer(7_000), contactParams: '+sip.srs' }));
      });
      await dead.do({
        do: 'establish',
        request: media.request('asked', uriOf(recorder, transport)),
      });
      const dialog = await called.promise;
      const left = await dead.leaves('asked');
      const { client } = await successor();
      expect(client.adopt('asked', left)?.media.a?.rtp.port).toBe(7_000);

      const changed = once(client, 'mediaChanged') as Promise<SessionEvents['mediaChanged']>;
      const reinvited = await dialog.reinvite(answer(7_100));
      expect(readSiprecBody('application/sdp', reinvited.body).sdp?.toString()).toContain(
        'sendonly',
      );
      expect((await changed)[0].media.b?.rtp.port).toBe(7_102);

      const snapshot = new Promise<Buffer | undefined>((resolve) => {
        dialog.on('reinvite', (update) => {
          resolve(readSiprecBody(update.contentType, update.body).metadata);
          void update.accept();
        });
      });
      await dialog.request('UPDATE', {
        body: Buffer.from(`<requestsnapshot xmlns="${METADATA_NAMESPACE}"/>`),
        contentType: METADATA_REQUEST_TYPE,
      });
      expect((await snapshot)?.toString()).toContain('sip:alice@example');

      expect((await dialog.request('OPTIONS')).status).toBe(200);
      const ended = once(client, 'ended') as Promise<SessionEvents['ended']>;
      await dialog.bye();
      expect((await ended)[0]).toMatchObject({ recordId: 'asked', reason: 'srs_bye' });
      expect(client.sessionCount).toBe(0);
    });

    it('is not sent to where the recorder may not move', async () => {
      const called = Promise.withResolvers<SipDialog>();
      const recorder = await recorderThat((invite) => {
        called.resolve(invite.accept(answer(7_000)));
      });
      await dead.do({
        do: 'establish',
        request: media.request('moved', uriOf(recorder, transport)),
      });
      const dialog = await called.promise;
      const left = await dead.leaves('moved');
      const { client } = await successor();
      client.adopt('moved', left);
      const { body, contentType } = answer(7_100);
      const elsewhere = Buffer.from(body.toString().replaceAll('127.0.0.1', '198.51.100.66'));
      await expect(dialog.reinvite({ body: elsewhere, contentType })).rejects.toMatchObject({
        status: 488,
      });
    });

    it('cancels the INVITE that was out', async () => {
      const invited = Promise.withResolvers<IncomingInvite>();
      const recorder = await recorderThat((invite) => {
        invite.provisional(180);
        invited.resolve(invite);
      });
      const request = media.request('out', uriOf(recorder, transport));
      await dead.keeps({ do: 'establish', request }, 'out', 'inviting');
      const { signal } = await invited.promise;
      const left = await dead.leaves('out');
      const { client } = await successor();
      expect(client.adopt('out', left)).toBeUndefined();
      await until(() => signal.aborted, 'CANCEL comes');
    });

    it('ends the session that came of an INVITE that was out', async () => {
      const invited = Promise.withResolvers<IncomingInvite>();
      const recorder = await recorderThat((invite) => {
        invited.resolve(invite);
      });
      const request = media.request('late', uriOf(recorder, transport));
      await dead.keeps({ do: 'establish', request }, 'late', 'inviting');
      const invite = await invited.promise;
      const left = await dead.leaves('late');
      // Its 2xx finds nobody at first, and is repeated.
      const accepted = invite.accept(answer(7_000));
      const { client } = await successor();
      client.adopt('late', left);
      const dialog = await accepted;
      if (!dialog.closed) await once(dialog, 'closed');
      expect(recorder.dialogCount).toBe(0);
    });

    it('ends the session that was to be ended', async () => {
      const called = Promise.withResolvers<SipDialog>();
      const recorder = await recorderThat((invite) => {
        called.resolve(invite.accept(answer(7_000)));
      });
      await dead.do({
        do: 'establish',
        request: media.request('ending', uriOf(recorder, transport)),
      });
      const dialog = await called.promise;
      const left = await dead.leaves('ending');
      if (left.stage === 'inviting') throw new Error('it is established');
      const bye = once(dialog, 'bye');
      const { client } = await successor();
      client.adopt('ending', { stage: 'ending', dialog: left.dialog, reason: 'call ended' });
      await bye;
      expect(client.sessionCount).toBe(0);
    });
  },
);

// Over TCP sipp ends with the connection.
it('goes on with the session on a recorder that is not ours', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tandem-adoption-'));
  const sipp = await SippProcess.listen({
    scenario: 'called-adopted',
    transport: 'udp',
    dir,
    keys: { media_a: 7_000, media_b: 7_002 },
  });
  open.push(async () => {
    await sipp.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  const request = media.request('sipp', sipp.uri);
  await dead.do({ do: 'establish', request });
  const left = await dead.leaves('sipp');
  const { client } = await successor();
  client.adopt('sipp', left);
  await client.update('sipp', { streams: request.streams, paused: true });
  await client.end('sipp');
  await sipp.logs('BYE');
  expect(sipp.log).toEqual(['INVITE', 're-INVITE a=inactive +sip.src', 'BYE']);
  expect(sipp.errors).not.toContain('Aborting call');
});
