import { parseArgs } from 'node:util';
import { systemClock } from './clock.ts';
import { loadConfig } from './config.ts';
import { endEdge } from './edge/edge-process.ts';
import { createLogger, type Logger } from './logger.ts';
import { forgetPast } from './state-part.ts';
import { processSpecs, zoneOf } from './process-specs.ts';
import { readyLine, type ServeReady } from './serve-ready.ts';
import { Supervisor } from './supervisor/supervisor.ts';

const options = {
  config: { type: 'string' },
  /** What was kept of earlier calls is put aside. */
  forget: { type: 'boolean', default: false },
} as const;

/**
 * `tandem serve`: the supervisor. Starts control and recorders, or adopts those that live, and keeps them alive until SIGTERM, SIGINT
 * or SIGHUP, or until the parent process is gone that has a channel to it; then ends them all, every session with BYE.
 */
export async function runServe(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options });
  const config = loadConfig(values.config);
  const logger = createLogger(config.log.level);
  const asked = Promise.withResolvers<string>();
  // `disconnect`: the parent that started it with a channel has died.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'disconnect'] as const) {
    // Stays on: a process group may get the same signal several times.
    process.on(signal, () => {
      asked.resolve(signal);
    });
  }
  try {
    if (values.forget) {
      const aside = await forgetPast(config.state.dir, logger);
      logger.warn({ aside }, 'what was kept of earlier calls was put aside');
    }
    const supervisor = await Supervisor.create({
      dir: config.state.dir,
      processes: (socket) => processSpecs({ config, configFile: values.config, socket }),
      zoneOf: (recorder) => zoneOf(config, recorder),
      clock: systemClock,
      logger: logger.child({ part: 'supervisor' }),
    });
    try {
      await superviseUntil(asked.promise, supervisor, logger);
    } finally {
      await supervisor.close();
      // Control has ended it, where there was one to do so.
      await endEdge(config.state.dir);
    }
  } finally {
    if (process.connected) process.disconnect();
  }
  return 0;
}

async function superviseUntil(
  asked: Promise<string>,
  supervisor: Supervisor,
  logger: Logger,
): Promise<void> {
  const begun = await Promise.race([supervisor.ready(), asked.then(() => undefined)]);
  if (begun !== undefined) {
    const ready: ServeReady = { ready: true, http: begun.http, recorders: begun.recorders };
    process.stdout.write(readyLine(ready));
    process.send?.(ready);
  }
  logger.info({ signal: await asked }, 'ending all sessions');
}
