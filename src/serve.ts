import { parseArgs } from 'node:util';
import { App } from './app.ts';
import { loadConfig, readEnvironment } from './config.ts';
import { createLogger } from './logger.ts';

/** What `tandem serve` tells its parent process, if it has one that listens, when calls can be placed. */
export interface ServeReady {
  readonly ready: true;
  readonly http: string;
  readonly recorders: number;
}

/** `tandem serve`: runs until SIGTERM or SIGINT, then ends every session with BYE. */
export async function runServe(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { config: { type: 'string' } } });
  const config = loadConfig(values.config);
  const logger = createLogger(config.log.level);
  const app = await App.create(config, readEnvironment(), logger);
  const asked = new Promise<string>((resolve) => {
    // `disconnect`: the parent that started it with a channel has died.
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'disconnect'] as const) {
      // Stays on: a process group may get the same signal several times.
      process.on(signal, () => {
        resolve(signal);
      });
    }
  });
  process.stdout.write(
    `Tandem is ready: ${app.httpUrl} (OpenAPI at /openapi.json), ${app.recorders} recorders\n`,
  );
  const ready: ServeReady = { ready: true, http: app.httpUrl, recorders: app.recorders };
  process.send?.(ready);
  const signal = await asked;
  logger.info({ signal }, 'ending all sessions');
  await app.close();
  if (process.connected) process.disconnect();
  return 0;
}
