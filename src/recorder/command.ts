import { parseArgs } from 'node:util';
import { z } from 'zod';
import { systemClock } from '../clock.ts';
import { mediaHost, readEnvironment } from '../config.ts';
import { messageOf, TandemError } from '../errors.ts';
import { createLogger } from '../logger.ts';
import { takePrecedence } from '../edge/precedence.ts';
import { ServiceManager } from '../supervisor/service-manager.ts';
import { SupervisorLink } from '../supervisor/supervisor-link.ts';
import { Recorder } from './recorder.ts';
import type { RecorderOptions } from './recorder.ts';

const usage = `usage: tandem recorder [OPTIONS]

  --id ID               name of this recorder                    [recorder]
  --host ADDRESS        to listen on, SIP and media              [127.0.0.1]
  --sip-port PORT       UDP and TCP; 0: any free one             [5070]
  --transports LIST     udp,tcp                                  [udp,tcp]
  --dir DIR             where recordings go                      [recordings]
  --ports MIN-MAX       for media                                [40000-49999]
  --capacity N          sessions at once                         [500]
  --latch announced|any whom to take RTP from                    [announced]
  --threads N           that receive and write                   [1]
  --nice N              priority, -20..19, where it is allowed   [-5]
  --rtcp-interval MS    between receiver reports                 [500]
  --min-free BYTES      a disk with less counts as full          [67108864]
  --idle-ms MS          without media, then the client is asked  [1800000]
  --drain-ms MS         from SIGTERM until sessions are ended    [5000]
  --supervisor SOCKET   of the supervisor that keeps it alive    []
  --orphan-ms MS        without one, then it ends by itself      [600000]
  --log-level LEVEL                                              [info]
`;

const options = {
  id: { type: 'string', default: 'recorder' },
  host: { type: 'string', default: '127.0.0.1' },
  'sip-port': { type: 'string', default: '5070' },
  transports: { type: 'string', default: 'udp,tcp' },
  dir: { type: 'string', default: 'recordings' },
  ports: { type: 'string', default: '40000-49999' },
  capacity: { type: 'string', default: '500' },
  latch: { type: 'string', default: 'announced' },
  threads: { type: 'string', default: '1' },
  nice: { type: 'string', default: '-5' },
  'rtcp-interval': { type: 'string', default: '500' },
  'min-free': { type: 'string', default: '67108864' },
  'idle-ms': { type: 'string', default: '1800000' },
  'drain-ms': { type: 'string', default: '5000' },
  supervisor: { type: 'string' },
  'orphan-ms': { type: 'string', default: '600000' },
  'log-level': { type: 'string', default: 'info' },
  help: { type: 'boolean', default: false },
} as const;

const integer = (min: number, max: number) => z.coerce.number<string>().int().min(min).max(max);

const schema = z.object({
  id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  host: mediaHost,
  'sip-port': integer(0, 65_535),
  transports: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(['udp', 'tcp'])).min(1)),
  dir: z.string().min(1),
  ports: z
    .string()
    .regex(/^\d+-\d+$/, 'MIN-MAX')
    .transform((text) => {
      const [min = '', max = ''] = text.split('-');
      return { min, max };
    })
    .pipe(z.object({ min: integer(1_024, 65_534), max: integer(1_025, 65_535) }))
    .refine(({ min, max }) => max > min, 'MAX must be above MIN'),
  capacity: integer(1, 1_000_000),
  latch: z.enum(['announced', 'any']),
  threads: integer(1, 64),
  nice: integer(-20, 19),
  'rtcp-interval': integer(1, 60_000),
  'min-free': integer(0, Number.MAX_SAFE_INTEGER),
  'idle-ms': integer(1, 86_400_000),
  'drain-ms': integer(0, 600_000),
  supervisor: z.string().min(1).optional(),
  'orphan-ms': integer(1, 604_800_000),
  'log-level': z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
});

/** What a recorder process tells its parent, if it has one that listens. */
export interface RecorderReady {
  readonly ready: true;
  readonly uri: string;
}

/**
 * `tandem recorder`: runs until SIGTERM, SIGINT or SIGHUP, until the parent process is gone that has a channel to it, or until no
 * supervisor was there for long. The first signal leaves the clients time to move their sessions; a second one, or a parent that is
 * gone, does not.
 */
export async function runRecorderCommand(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const parsed = schema.safeParse(values);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      ({ path, message }) => `--${path.join('.')}: ${message}`,
    );
    throw new TandemError('CONFIG_INVALID', issues.join('; '));
  }
  const flags = parsed.data;
  const logger = createLogger(flags['log-level']).child({ recorder: flags.id });
  // Before its threads are: they have what it has.
  if (!takePrecedence(process.pid, flags.nice)) {
    logger.info({ nice: flags.nice }, 'not allowed to take precedence on this machine');
  }
  const hurry = new AbortController();
  const asked = Promise.withResolvers<string>();
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'disconnect'] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signal === 'disconnect' || signals > 1) hurry.abort();
      asked.resolve(signal);
    });
  }
  const supervisor =
    flags.supervisor === undefined
      ? undefined
      : new SupervisorLink({
          socket: flags.supervisor,
          role: 'recorder',
          id: flags.id,
          orphanMs: flags['orphan-ms'],
          clock: systemClock,
          logger,
          onEnd: asked.resolve,
        });
  supervisor?.start();
  const environment = readEnvironment();
  const recorder = await createRecorder(supervisor, {
    id: flags.id,
    host: flags.host,
    sipPort: flags['sip-port'],
    transports: flags.transports,
    dir: flags.dir,
    ports: flags.ports,
    capacity: flags.capacity,
    latch: flags.latch,
    threads: flags.threads,
    rtcpIntervalMs: flags['rtcp-interval'],
    freeBytesMin: flags['min-free'],
    idleMs: flags['idle-ms'],
    drainMs: flags['drain-ms'],
    edgeAddon: environment.edgeAddon,
    logger,
  });
  process.stdout.write(`recorder ${flags.id} takes SIPREC at ${recorder.uri}\n`);
  const ready: RecorderReady = { ready: true, uri: recorder.uri };
  process.send?.(ready);
  supervisor?.ready({
    role: 'recorder',
    uri: recorder.uri,
    capacity: flags.capacity,
    reportsEveryMs: flags['rtcp-interval'],
  });
  const manager = new ServiceManager({
    socket: environment.notifySocket,
    watchdogUs: environment.watchdogUs,
    ...{ clock: systemClock, logger },
  });
  manager.ready(`takes SIPREC at ${recorder.uri}`);
  const reason = await asked.promise;
  manager.stopping();
  logger.info({ reason, sessions: recorder.sessionCount }, 'taking no more sessions');
  await recorder.drain(hurry.signal);
  logger.info({ sessions: recorder.sessionCount }, 'ending all sessions');
  await recorder.close();
  manager.close();
  supervisor?.close();
  if (process.connected) process.disconnect();
  return 0;
}

async function createRecorder(
  supervisor: SupervisorLink | undefined,
  options: RecorderOptions,
): Promise<Recorder> {
  try {
    return await Recorder.create(options);
  } catch (error) {
    const code = error instanceof TandemError ? error.code : 'INTERNAL';
    await supervisor?.failed(code, messageOf(error));
    supervisor?.close();
    // The channel to the parent would keep the process, and the parent waiting.
    if (process.connected) process.disconnect();
    throw error;
  }
}
