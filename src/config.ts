import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf, TandemError } from './errors.ts';
import { isMediaHost, isNetwork, sipDestination } from './networks.ts';

/**
 * One schema gives validation, defaults and types. Every object is strict: an unknown key stops the start-up. Secrets come
 * from the environment, which is read in this file and nowhere else.
 */

const port = z.int().min(0).max(65_535);
const host = z.string().min(1);
/** It is announced in SDP, where 0.0.0.0 means hold to most (RFC 3264 section 8.4). */
export const mediaHost = z
  .string()
  .refine(isMediaHost, 'an IP address that others can send to, not 0.0.0.0 or ::');
const ms = (fallback: number, max = 3_600_000): z.ZodDefault<z.ZodInt> =>
  z.int().min(1).max(max).default(fallback);
const section = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape).prefault({} as never);

const restart = (initialMs: number, maxMs: number) =>
  section({ initialMs: ms(initialMs), maxMs: ms(maxMs) });

/** The recording session's id becomes its user part. TLS is not there yet. */
export const recorderUri = z
  .string()
  .max(512)
  .regex(
    /^sip:(?!\S*;transport=tls)([^@\s<>"\p{Cc}]+@)?(\[[\da-f:.]+\]|[\w.-]+)(:\d{1,5})?(;[^\s<>"\p{Cc}]*)?$/iu,
    'a SIP URI, sip:host:port;transport=tcp or udp (TLS is not supported)',
  );

const portRange = z
  .strictObject({ min: z.int().min(1_024).max(65_534), max: z.int().min(1_025).max(65_535) })
  .refine(({ min, max }) => max > min, 'max must be above min');

const embeddedRecorders = z.strictObject({
  count: z.int().min(0).max(64).default(3),
  dir: z.string().min(1).default('recordings'),
  /** Dealt out in turn. */
  zones: z.array(z.string().min(1)).min(1).default(['zone-1', 'zone-2']),
  capacity: z.int().min(1).max(1_000_000).default(500),
  /** Shared out among them. */
  ports: portRange.default({ min: 40_000, max: 59_999 }),
  /** As that of the supervisor, for recorders. */
  restart: restart(250, 10_000),
});

const recorderEntry = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, 'letters, digits, dot, dash, underscore; at most 64'),
  uri: recorderUri,
  zone: z.string().min(1).max(64).default('default'),
  capacity: z.int().min(1).max(1_000_000).default(500),
  weight: z.number().positive().max(1_000).default(1),
  state: z.enum(['up', 'draining', 'standby']).default('up'),
  tenants: z.array(z.string()).max(1_000).default([]),
  sites: z.array(z.string()).max(1_000).default([]),
  /** Of RTCP; `auto`: as it did in other sessions. */
  reports: z.enum(['auto', 'expected', 'none']).default('auto'),
});

const webhook = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).refine((url) => {
    const { username, password } = new URL(url);
    return username === '' && password === '';
  }, 'no user and password in the URL'),
  timeoutMs: ms(5_000, 60_000),
  attempts: z.int().min(1).max(100).default(8),
  retryInitialMs: ms(500),
  retryMaxMs: ms(60_000),
  queueMax: z.int().min(1).max(100_000).default(1_000),
});

const configSchema = z.strictObject({
  /** What outlives a process: the sockets and names of the processes, ledgers. */
  state: section({
    dir: z.string().min(1).default('state'),
    /** A process whose supervisor is gone for this long ends by itself. */
    orphanMs: ms(600_000, 604_800_000),
  }),
  supervisor: section({
    /** A process that died is started again after this; each time later, until it has lived for a while. */
    restart: restart(100, 10_000),
  }),
  http: section({
    host: host.default('127.0.0.1'),
    port: port.default(8080),
    bodyBytesMax: z.int().min(1_024).max(16_777_216).default(262_144),
  }),
  sip: section({
    host: host.default('127.0.0.1'),
    port: port.default(5060),
    transports: z
      .array(z.enum(['udp', 'tcp']))
      .min(1)
      .default(['udp', 'tcp']),
    inviteTimeoutMs: ms(4_000),
    connectTimeoutMs: ms(1_000),
    /**
     * Where recorders are, beside what their own SIP shows: requests in a recording session are believed from there, and a
     * recorder may move its media there.
     */
    recorderNetworks: z
      .array(z.string().refine(isNetwork, 'an IP address, or a network as 10.1.0.0/16'))
      .max(1_000)
      .default([]),
  }),
  media: section({
    host: mediaHost.default('127.0.0.1'),
    /** Address for legs to recorders of the other address family, if there are any. */
    legHost: mediaHost.optional(),
    ports: portRange.default({ min: 20_000, max: 39_999 }),
    path: z.enum(['mediasoup', 'direct']).default('mediasoup'),
    latch: z.enum(['announced', 'any']).default('announced'),
    ring: section({
      seconds: z.number().min(0.1).max(300).default(10),
      bytes: z.int().min(16_384).max(67_108_864).default(524_288),
    }),
    threads: z.int().min(1).max(64).default(Math.min(4, availableParallelism())),
    workers: z.int().min(1).max(64).default(Math.min(4, availableParallelism())),
    /** Scheduling priority of what media passes through, as nice(1) has it; 0: as everything else. */
    nice: z.int().min(-20).max(0).default(-10),
    /** A thread of the edge that does not come round for so long hangs: the edge is killed, and goes on. */
    edgeHangMs: z.int().min(300).max(60_000).default(500),
    catchUpRate: z.number().min(1.1).max(100).default(4),
    rtcpIntervalMs: ms(500, 60_000),
    callsMax: z.int().min(1).max(100_000).default(4_000),
  }),
  recording: section({
    mode: z.enum(['duplicate', 'single', 'off']).default('duplicate'),
    scarce: z.enum(['single', 'refuse']).default('single'),
    /** Send a moved leg what it missed, out of the ring. */
    replay: z.boolean().default(true),
    /** A replay begins this much before the first packet that is known to be missing; merging removes what is double. */
    replayOverlapMs: z.int().min(0).max(10_000).default(200),
    /** How long a leg may still deliver out of the ring when its call ends. */
    drainMs: ms(5_000, 60_000),
    /** How long a recorder may take at the end of its session to report all that it received; 0: it is not waited for. */
    finalReportMs: z.int().min(0).max(10_000).default(250),
    /** A recorder whose signalling failed and that never sent receiver reports has this long to show that it lives. */
    suspicionMs: ms(200, 60_000),
    /** What receiver reports of a recorder say of it. */
    detection: section({
      watchMs: ms(250, 60_000),
      silenceReports: z.int().min(2).max(1_000).default(10),
      lossFraction: z.number().min(0.05).max(1).default(0.5),
      lossReports: z.int().min(1).max(1_000).default(4),
    }),
    /** A recorder that took a session has this long to take all of its media. */
    mediaTimeoutMs: ms(3_000, 60_000),
    retry: section({
      initialMs: ms(200),
      maxMs: ms(5_000),
    }),
    /** The ledger of every call that has ended, a JSON file each; `ledgers` in `state.dir` if absent. */
    ledgerDir: z.string().min(1).optional(),
    ledgersKept: z.int().min(0).max(1_000_000).default(10_000),
    failoversKept: z.int().min(1).max(100_000).default(1_000),
  }),
  calls: section({
    unansweredMs: ms(300_000, 86_400_000),
    idleMs: ms(7_200_000, 604_800_000),
    /** A party that is to send and is not heard for this long after the answer raises an alarm. */
    noMediaMs: ms(10_000, 3_600_000),
    endedKept: z.int().min(0).max(100_000).default(1_000),
  }),
  resource: section({
    policy: z
      .enum(['least-loaded', 'round-robin', 'weighted', 'two-choices'])
      .default('least-loaded'),
    promotion: z.enum(['auto', 'manual']).default('manual'),
    health: section({
      intervalMs: ms(500),
      timeoutMs: ms(400),
      /** OPTIONS in a row without an answer before a recorder is down. */
      failures: z.int().min(1).max(100).default(2),
      /** OPTIONS in a row with an answer before it is up again. */
      successes: z.int().min(1).max(100).default(1),
    }),
  }),
  recorders: section({
    embedded: embeddedRecorders.optional(),
    list: z.array(recorderEntry).max(1_000).default([]),
  }),
  alarms: section({
    kept: z.int().min(1).max(100_000).default(1_000),
    /** A leg that has a recorder again by then was on its way: no alarm. */
    singleLegMs: ms(1_000),
    /** Legs that the same befalls at shorter distances are named in one alarm. */
    gatherMs: ms(2_000, 60_000),
    /** Whether a leg that nobody confirmed is worth an alarm. */
    unproven: z.boolean().default(true),
    webhook: webhook.optional(),
    /** More receivers. */
    webhooks: z.array(webhook).max(20).default([]),
  }),
  log: section({
    level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  }),
});

type Parsed = z.infer<typeof configSchema>;

export type Config = Parsed & { readonly recording: { readonly ledgerDir: string } };

/** Keys of earlier versions, and what is there instead. */
const formerKeys: Readonly<Record<string, string>> = {
  'resource.affinityFile': 'is no more: what is to be remembered is in state.dir',
};

/** Embedded recorders are what a start without any recorder configured gets. */
export function parseConfig(input: unknown): Config {
  const result = configSchema.safeParse(input ?? {});
  if (!result.success) {
    const issues = result.error.issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => {
            const path = [...issue.path, key].join('.');
            return { path, reason: formerKeys[path] ?? 'unknown key' };
          })
        : [{ path: issue.path.join('.') || '(root)', reason: issue.message }],
    );
    throw invalid(issues);
  }
  const config = withLedgerDir(result.data);
  const issues = [...recorderIdIssues(config), ...recorderUriIssues(config)];
  if (issues.length > 0) throw invalid(issues);
  if (config.recorders.embedded === undefined && config.recorders.list.length === 0) {
    return deepFreeze({
      ...config,
      recorders: {
        list: [],
        embedded: embeddedRecorders.parse({}),
      },
    });
  }
  return deepFreeze(config);
}

function withLedgerDir(parsed: Parsed): Config {
  const { recording, state } = parsed;
  return {
    ...parsed,
    recording: { ...recording, ledgerDir: recording.ledgerDir ?? join(state.dir, 'ledgers') },
  };
}

interface Issue {
  readonly path: string;
  readonly reason: string;
}

function invalid(issues: readonly Issue[]): TandemError {
  const message = issues.map(({ path, reason }) => `${path}: ${reason}`).join('; ');
  return new TandemError('CONFIG_INVALID', message, { details: { issues } });
}

/** A recorder is known by its id: a second one would silently take the place of the first. */
function recorderIdIssues(config: Config): Issue[] {
  const taken = new Map<string, string>();
  for (const id of embeddedRecorderIds(config)) taken.set(id, 'is that of an embedded recorder');
  return config.recorders.list.flatMap(({ id }, index) => {
    const reason = taken.get(id);
    taken.set(id, 'stands twice');
    return reason === undefined
      ? []
      : [{ path: `recorders.list.${index}.id`, reason: `id ${id} ${reason}` }];
  });
}

/** Legs that are on two recorders are on two: not on one that has two names. */
function recorderUriIssues({ recorders: { list } }: Config): Issue[] {
  const taken = new Map<string, string>();
  return list.flatMap(({ id, uri }, index) => {
    const destination = sipDestination(uri);
    const other = taken.get(destination);
    taken.set(destination, other ?? id);
    return other === undefined || other === id
      ? []
      : [{ path: `recorders.list.${index}.uri`, reason: `leads where that of ${other} does` }];
  });
}

/** From 0. */
export function embeddedRecorderId(index: number): string {
  return `r${index + 1}`;
}

export function embeddedRecorderIds({ recorders: { embedded } }: Config): string[] {
  return Array.from({ length: embedded?.count ?? 0 }, (_, index) => embeddedRecorderId(index));
}

export function loadConfig(file: string | undefined): Config {
  if (file === undefined) return parseConfig({});
  let input: unknown;
  try {
    input = parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new TandemError('CONFIG_INVALID', `${file}: ${messageOf(cause)}`, {
      cause,
      details: { file },
    });
  }
  return parseConfig(input);
}

export interface Environment {
  /** Bearer token of the HTTP API; required when it listens beyond loopback. */
  readonly httpToken: string | undefined;
  /** Keys that webhooks are signed with: `whsec_` and base64, with spaces or commas between. */
  readonly webhookSecret: string | undefined;
  /** Another build of the edge addon (sanitizers). */
  readonly edgeAddon: string | undefined;
  readonly mediasoupWorker: string | undefined;
  /** Of the service manager, if one started this process and listens: sd_notify(3). */
  readonly notifySocket: string | undefined;
  /** It wants to hear of this process this often, in microseconds: sd_watchdog_enabled(3). */
  readonly watchdogUs: number | undefined;
}

export function readEnvironment(): Environment {
  return {
    httpToken: process.env['TANDEM_HTTP_TOKEN'],
    webhookSecret: process.env['TANDEM_WEBHOOK_SECRET'],
    edgeAddon: process.env['TANDEM_EDGE_ADDON'],
    mediasoupWorker: process.env['MEDIASOUP_WORKER_BIN'],
    notifySocket: process.env['NOTIFY_SOCKET'],
    watchdogUs: Number(process.env['WATCHDOG_USEC']) || undefined,
  };
}

/** What is between this process and the service manager is nobody else's. */
export function environmentForChildren(): NodeJS.ProcessEnv {
  const { NOTIFY_SOCKET: _socket, WATCHDOG_USEC: _usec, WATCHDOG_PID: _pid, ...rest } = process.env;
  return rest;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
