import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';

/** What a figure was measured with. */
export interface Versions {
  readonly tandem: string;
  /** Abbreviated hash, `+` behind it when files have been changed since; null outside a clone. */
  readonly commit: string | null;
  readonly node: string;
  readonly kernel: string;
  readonly mediasoup: string;
  readonly cpu: string;
  readonly cores: number;
}

const rootDir = fileURLToPath(new URL('..', import.meta.url));

export function readVersions(): Versions {
  const models = cpus();
  return {
    tandem: packageVersion(`${rootDir}package.json`),
    commit: commit(),
    node: process.version,
    kernel: release(),
    mediasoup: packageVersion(`${rootDir}node_modules/mediasoup/package.json`),
    cpu: models[0]?.model.trim() ?? 'unknown',
    cores: models.length,
  };
}

function packageVersion(file: string): string {
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function commit(): string | null {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: rootDir,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short', 'HEAD').trim()}${changed ? '+' : ''}`;
  } catch {
    return null;
  }
}
