import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SipFailure } from '../../src/sip/ua/sip-failure.ts';
import type { SipUserAgent } from '../../src/sip/ua/user-agent.ts';
import { SDP, userAgent } from './sip/peers.ts';

const CALLS = 20;
const TRANSPORTS = [
  { transport: 'udp', flag: 'u1' },
  { transport: 'tcp', flag: 't1' },
] as const;

let dir: string;
const open: SipUserAgent[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tandem-sipp-'));
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((agent) => agent.close()));
  await rm(dir, { recursive: true });
});

async function agent(...args: Parameters<typeof userAgent>): Promise<SipUserAgent> {
  const created = await userAgent(...args);
  open.push(created);
  return created;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

/** Runs sipp to its end. @returns its exit code: 0 when every call went as its scenario says */
async function sipp(...args: string[]): Promise<number> {
  const always = ['-i', '127.0.0.1', '-nostdin', '-timeout', '40s', '-timeout_error'];
  const child = spawn('sipp', [...always, ...args], { cwd: dir, stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number];
  return code;
}

/** TCP is refused until sipp listens, while UDP repeats its INVITE by itself. */
async function listening(port: number, exit: Promise<number>): Promise<void> {
  const wait = { over: false };
  void exit.then(() => (wait.over = true));
  while (!wait.over) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => {
        resolve(true);
      });
      socket.once('error', () => {
        resolve(false);
      });
    });
    socket.destroy();
    if (isOpen) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function scenario(name: string): string {
  return fileURLToPath(new URL(`./sip/${name}.xml`, import.meta.url));
}

describe.each(TRANSPORTS)('with sipp over $transport', ({ transport, flag }) => {
  it('takes calls from it', async () => {
    let ended = 0;
    const called = await agent((invite) => {
      invite.provisional(180);
      void invite.accept(SDP).then((dialog) => {
        dialog.on('closed', () => ended++);
      });
    });
    const port = String(called.addresses[transport]?.port);
    const load = ['-m', String(CALLS), '-r', '50', '-d', '20'];
    expect(await sipp('-sn', 'uac', '-t', flag, ...load, `127.0.0.1:${port}`)).toBe(0);
    expect(ended).toBe(CALLS);
    expect(called.dialogCount).toBe(0);
  });

  it('calls it', async () => {
    const caller = await agent();
    const port = await freePort();
    const exit = sipp('-sn', 'uas', '-t', flag, '-p', String(port), '-m', String(CALLS));
    if (transport === 'tcp') await listening(port, exit);
    const uri = `sip:rec@127.0.0.1:${String(port)};transport=${transport}`;
    await Promise.all(
      Array.from({ length: CALLS }, async () => {
        const dialog = await caller.invite({ uri, ...SDP });
        await dialog.bye();
      }),
    );
    expect(await exit).toBe(0);
  });

  it('answers its offerless re-INVITE after a late 200', async () => {
    const caller = await agent();
    const port = await freePort();
    const args = ['-sf', scenario('uas-reinvite'), '-p', String(port), '-m', '1'];
    const exit = sipp('-t', flag, ...args);
    if (transport === 'tcp') await listening(port, exit);
    const uri = `sip:rec@127.0.0.1:${String(port)};transport=${transport}`;
    const dialog = await caller.invite({ uri, ...SDP, contactParams: '+sip.src' });
    expect(dialog.remoteParams.has('+sip.srs')).toBe(true);
    expect(dialog.established?.body.toString()).toContain('a=inactive');
    const answer = new Promise<string>((resolve, reject) => {
      dialog.on('reinvite', (reinvite) => {
        reinvite.accept(SDP).then((ack) => {
          resolve(ack?.body.toString() ?? '');
        }, reject);
      });
    });
    expect(await answer).toContain('a=recvonly');
    await dialog.bye();
    expect(await exit).toBe(0);
  });

  it.each([486, 503, 404])('hears its %i', async (status) => {
    const caller = await agent();
    const port = await freePort();
    const refusal = (await readFile(scenario('uas-refuse'), 'utf8')).replaceAll(
      'STATUS',
      String(status),
    );
    await writeFile(join(dir, 'refusal.xml'), refusal);
    const args = ['-sf', join(dir, 'refusal.xml')];
    const exit = sipp('-t', flag, ...args, '-p', String(port), '-m', '1');
    if (transport === 'tcp') await listening(port, exit);
    const uri = `sip:rec@127.0.0.1:${String(port)};transport=${transport}`;
    const failure = await caller.invite({ uri, ...SDP }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ status, retryAfterMs: 3_000 } satisfies Partial<SipFailure>);
    expect(await exit).toBe(0);
  });
});
