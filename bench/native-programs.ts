import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const sourceDir = fileURLToPath(new URL('native/', import.meta.url));
const warnings = ['-Wall', '-Wextra', '-Werror'];

const programs = {
  load: { compiler: 'g++', args: ['-std=c++20', '-O2', '-pthread', ...warnings, 'load.cc'] },
  floor: { compiler: 'gcc', args: ['-std=c17', '-O2', ...warnings, 'floor.c'] },
} as const;

/** Paths of the executables. */
export type NativePrograms = Readonly<Record<keyof typeof programs, string>>;

/** Compiles the bench's native programs, unless that was done before from the same sources by the same compiler. */
export async function buildNativePrograms(): Promise<NativePrograms> {
  const cacheDir = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const benchDir = join(cacheDir, 'tandem', 'bench');
  const dir = join(benchDir, await inputsHash());
  if (!existsSync(dir)) {
    await mkdir(benchDir, { recursive: true });
    const temporary = await mkdtemp(join(benchDir, 'build-'));
    for (const [name, { compiler, args }] of Object.entries(programs)) {
      await run(compiler, [...args, '-o', join(temporary, name)], { cwd: sourceDir });
    }
    // Another bench may have been quicker: its result is the same.
    await rename(temporary, dir).catch(() => rm(temporary, { recursive: true, force: true }));
  }
  return { load: join(dir, 'load'), floor: join(dir, 'floor') };
}

async function inputsHash(): Promise<string> {
  const { stdout } = await run('g++', ['--version']);
  const hash = createHash('sha256').update(stdout).update(JSON.stringify(programs));
  for (const name of (await readdir(sourceDir)).sort()) {
    hash.update(`\0${name}\0`).update(await readFile(join(sourceDir, name)));
  }
  return hash.digest('hex').slice(0, 16);
}
