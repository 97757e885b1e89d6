// Builds the mediasoup worker from the npm package's own sources against Debian's libraries, with
// nothing downloaded: the worker's bundled dependencies are replaced by subprojects/ beside this file.

import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What decides the result, besides mediasoup's own version. */
export const recipeDir = dirname(fileURLToPath(import.meta.url));

/**
 * @param {object} options
 * @param {string} options.packageDir the installed mediasoup package
 * @param {string} options.workDir scratch folder; emptied first
 * @param {(command: string, args: string[]) => Promise<void>} options.run runs a command, rejects when it fails
 * @returns {Promise<string>} the path of the built worker, inside workDir
 */
export async function buildMediasoupWorker({ packageDir, workDir, run }) {
  rmSync(workDir, { recursive: true, force: true });
  mkdirSync(workDir, { recursive: true });
  const sourceDir = join(workDir, 'worker');
  const buildDir = join(workDir, 'build');
  cpSync(join(packageDir, 'worker'), sourceDir, { recursive: true });
  replaceSubprojects(join(sourceDir, 'subprojects'));
  relaxMesonVersion(join(sourceDir, 'meson.build'));
  // The flags of mediasoup's own release build, and its built-in bandwidth estimation, which needs
  // neither abseil nor libwebrtc.
  await run('meson', [
    'setup',
    buildDir,
    sourceDir,
    '--wrap-mode=nodownload',
    '--buildtype=release',
    '-Db_ndebug=true',
    '-Db_pie=true',
    '-Dms_use_builtin_bwe=true',
  ]);
  await run('ninja', ['-C', buildDir, 'mediasoup-worker']);
  return join(buildDir, 'mediasoup-worker');
}

function replaceSubprojects(subprojectsDir) {
  for (const name of readdirSync(subprojectsDir)) {
    rmSync(join(subprojectsDir, name), { recursive: true });
  }
  cpSync(join(recipeDir, 'subprojects'), subprojectsDir, { recursive: true });
}

function relaxMesonVersion(mesonBuild) {
  const text = readFileSync(mesonBuild, 'utf8');
  // Debian 12 has 1.0.1, which builds it as well.
  writeFileSync(
    mesonBuild,
    text.replace(/meson_version: '>= [\d.]+'/, "meson_version: '>= 1.0.1'"),
  );
}
