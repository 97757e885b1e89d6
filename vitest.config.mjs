import { defineConfig } from 'vitest/config';
import { findWorker } from './scripts/mediasoup-worker.mjs';

// The sanitizers make everything a few times slower.
const slowdown = process.env['TANDEM_EDGE_ADDON'] === undefined ? 1 : 3;

// `npm test` names the worker; a vitest started by hand finds the one that set-up has cached.
const workerPath = findWorker();

export default defineConfig({
  test: {
    reporters: ['default', './scripts/counts-reporter.ts'],
    env: workerPath === undefined ? {} : { MEDIASOUP_WORKER_BIN: workerPath },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // None takes a second, but on a machine that is busy with other work.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Real processes and real sockets: one file at a time, with the network to itself.
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 60_000 * slowdown,
          hookTimeout: 60_000 * slowdown,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
