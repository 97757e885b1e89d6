import { parseArgs } from 'node:util';
import { z } from 'zod';
import { App } from './app.ts';
import { systemClock } from './clock.ts';
import { loadConfig, readEnvironment, type Config } from './config.ts';
import { messageOf, TandemError } from './errors.ts';
import { createLogger, type Logger } from './logger.ts';
import { readyLine, type ServeReady } from './serve-ready.ts';
import { ServiceManager } from './supervisor/service-manager.ts';
import { SupervisorLink } from './supervisor/supervisor-link.ts';

const usage = `usage: tandem control [OPTIONS]

  --config FILE         as for serve
  --supervisor SOCKET   of the supervisor that keeps it alive; without: it is alone, and has no embedded recorders
  --http-port PORT      where the configuration says 0
  --sip-port PORT       where the configuration says 0
`;

const options = {
  config: { type: 'string' },
  supervisor: { type: 'string' },
  'http-port': { type: 'string', default: '0' },
  'sip-port': { type: 'string', default: '0' },
  help: { type: 'boolean', default: false },
} as const;

const port = z.coerce.number<string>().int().min(0).max(65_535);
const portFlags = z.object({ 'http-port': port, 'sip-port': port });

/**
 * `tandem control`: HTTP, SIP, recording sessions. Runs until SIGTERM, SIGINT or SIGHUP, until the parent process is gone that has
 * a channel to it, or until no supervisor was there for `state.orphanMs`; then ends every session with BYE.
 */
export async function runControl(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const flags = portFlags.safeParse(values);
  if (!flags.success) {
    const [issue] = flags.error.issues;
    throw new TandemError('CONFIG_INVALID', `--${issue?.path.join('.')}: ${issue?.message}`);
  }
  const config = withPorts(loadConfig(values.config), flags.data);
  const logger = createLogger(config.log.level);
  const ending = Promise.withResolvers<string>();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'disconnect'] as const) {
    // Stays on: a process group may get the same signal several times.
    process.on(signal, () => {
      ending.resolve(signal);
    });
  }
  const supervisor =
    values.supervisor === undefined
      ? undefined
      : superviseBy(values.supervisor, config, logger, ending.resolve);
  const app = await createApp(config, logger, supervisor, ending.resolve);
  if (app === undefined) return 1;
  const environment = readEnvironment();
  const manager = new ServiceManager({
    socket: environment.notifySocket,
    watchdogUs: environment.watchdogUs,
    clock: systemClock,
    logger,
  });
  const ready: ServeReady = { ready: true, http: app.facts.http, recorders: app.facts.recorders };
  process.stdout.write(readyLine(ready));
  process.send?.(ready);
  supervisor?.ready(app.facts);
  manager.ready(`takes calls at ${app.facts.http}`);
  const reason = await ending.promise;
  logger.info({ reason }, 'ending all sessions');
  manager.stopping();
  await app.close();
  manager.close();
  supervisor?.close();
  if (process.connected) process.disconnect();
  return 0;
}

function superviseBy(
  socket: string,
  config: Config,
  logger: Logger,
  onEnd: (reason: string) => void,
): SupervisorLink {
  const link = new SupervisorLink({
    ...{ socket, onEnd },
    role: 'control',
    id: 'control',
    orphanMs: config.state.orphanMs,
    clock: systemClock,
    logger: logger.child({ part: 'supervisor' }),
  });
  link.start();
  return link;
}

/** Undefined when it cannot be, and the supervisor was told why: it tells whoever started it all. */
async function createApp(
  config: Config,
  logger: Logger,
  supervisor: SupervisorLink | undefined,
  onEnd: (reason: string) => void,
): Promise<App | undefined> {
  const environment = readEnvironment();
  try {
    return await App.create({ config, environment, logger, supervisor, onEnd });
  } catch (error) {
    const code = error instanceof TandemError ? error.code : 'INTERNAL';
    const wasTold = await supervisor?.failed(code, messageOf(error));
    supervisor?.close();
    if (process.connected) process.disconnect();
    if (wasTold === true) return undefined;
    throw error;
  }
}

/** Started again, it has the ports that it had. */
function withPorts(config: Config, ports: z.infer<typeof portFlags>): Config {
  const { http, sip } = config;
  return {
    ...config,
    http: { ...http, port: http.port === 0 ? ports['http-port'] : http.port },
    sip: { ...sip, port: sip.port === 0 ? ports['sip-port'] : sip.port },
  };
}
