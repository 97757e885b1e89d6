import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { CallState } from '../../src/recording/call-state.ts';
import { TandemProcess } from '../support/tandem-process.ts';
import { toolEnvironment } from '../support/tshark.ts';

const run = promisify(execFile);
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const shownUrl = 'http://127.0.0.1:8080';

let tandem: TandemProcess;
let home: string;

beforeAll(async () => {
  const port = (await isFree(8080)) ? 8080 : 0;
  tandem = await TandemProcess.start({ http: { port } });
  home = mkdtempSync(join(tmpdir(), 'tandem-readme-'));
  // What the commands themselves do not show: the status of each answer, on a line of its own.
  writeFileSync(join(home, '.curlrc'), 'write-out = "\\n%{http_code}\\n"\n');
});

afterAll(async () => {
  await tandem.dispose();
  rmSync(home, { recursive: true });
});

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  const outcome = await Promise.race([
    once(server, 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ]).catch(() => false);
  server.close();
  return outcome;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** The README's commands in order, as they stand. */
async function runCommands(): Promise<Answer[]> {
  const [, block = ''] = /```sh\n([^]*?)```/.exec(readme) ?? [];
  const commands = block
    .split(/\n(?=#)/)
    .map((command) => command.trim())
    .filter((command) => command !== '');
  const answers: Answer[] = [];
  for (const command of commands) {
    const typed = command.replaceAll(shownUrl, tandem.url);
    const { stdout } = await run('bash', ['-c', typed], {
      env: { ...toolEnvironment, CURL_HOME: home },
    });
    const [, body = '', status = ''] = /^([^]*)\n(\d{3})\n$/.exec(stdout) ?? [];
    answers.push({ status: Number(status), body });
  }
  return answers;
}

it('has curl lines that place a call, show it and end it as they stand', async () => {
  const answers = await runCommands();
  expect(answers.map(({ status }) => status)).toEqual([201, 200, 200, 200, 200, 204]);
  const [offered, answered, shown, ledger, recorders] = answers.map(
    ({ body }) => (body === '' ? {} : JSON.parse(body)) as Record<string, unknown>,
  );
  expect(offered?.['offer']).toMatch(/^v=0\r\n[^]*m=audio \d+ RTP\/AVP 0 101/);
  expect(answered?.['answer']).toMatch(/^v=0\r\n[^]*m=audio \d+ RTP\/AVP 0 101/);
  const call = shown as unknown as CallState;
  expect(call).toMatchObject({ id: 'c1', state: 'answered', recordings: [{ leg: 1 }, { leg: 2 }] });
  // Nobody speaks in it.
  expect(ledger).toMatchObject({ callId: 'c1', verdict: 'no-media' });
  expect(recorders?.['recorders']).toHaveLength(3);
  const ended = await tandem.call('c1');
  expect(ended.state).toBe('ended');
  const folders = ended.recordings.flatMap(({ sessions }) =>
    sessions.map(({ recorder, recordId }) => join(tandem.dir, 'recordings', recorder, recordId)),
  );
  expect(folders).toHaveLength(2);
  await tandem.until(
    () => Promise.resolve(folders.every((folder) => existsSync(join(folder, 'recording.json')))),
    (whole) => whole,
  );
});

it('names every route that there is', async () => {
  const { paths } = await tandem.api<{ paths: Record<string, object> }>('GET', '/openapi.json');
  const rows = readme.split('\n').filter((line) => /^\| `[A-Z]+ \//.test(line));
  const named = rows.flatMap((row) =>
    [...row.matchAll(/`([A-Z]+ \/[^ `]*)`/g)].map(([, route]) => route),
  );
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect([...new Set(named)].sort()).toEqual([...routes, 'GET /openapi.json'].sort());
});
