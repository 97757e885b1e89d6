// Compiles src/ to dist/ for the published package; the checkout itself runs src/ as it stands.

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { rootDir } from './paths.mjs';

rmSync(join(rootDir, 'dist'), { recursive: true, force: true });
const tsc = join(rootDir, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: rootDir,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
