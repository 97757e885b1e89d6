import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

it.each(['0.0.0.0', '::'])(
  'a recorder that is to listen on %s, where nobody can send to, says so and does not start',
  (host) => {
    const args = [main, 'recorder', '--host', host, '--sip-port', '0'];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^tandem recorder: CONFIG_INVALID: --host: /);
  },
);
