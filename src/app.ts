import { Registry } from 'prom-client';
import { AlarmCenter } from './alarm-center.ts';
import { webhookKeysOf } from './alarm/webhook-secrets.ts';
import { systemClock } from './clock.ts';
import { embeddedRecorderIds, type Config, type Environment } from './config.ts';
import { HttpServer } from './control/http.ts';
import type { ProcessState } from './control/schemas/process.ts';
import { EdgePart } from './edge-part.ts';
import { messageOf } from './errors.ts';
import { healthOf } from './health.ts';
import { LedgerArchive } from './ledger-archive.ts';
import type { Logger } from './logger.ts';
import { MediaBridge } from './media/bridge.ts';
import { createMetrics } from './metrics.ts';
import { networkMatcher } from './networks.ts';
import { ProcessDirectory } from './process-directory.ts';
import { takePrecedence } from './edge/precedence.ts';
import { recordingObserver } from './recording-observer.ts';
import { Calls } from './recording/calls.ts';
import { StatePart } from './state-part.ts';
import { ResourceManager } from './resource/resource-manager.ts';
import { SipUserAgent } from './sip/ua/user-agent.ts';
import { SiprecClient } from './siprec/client.ts';
import { identityOf, startedAtOf } from './supervisor/process-identity.ts';
import type { ControlFacts } from './supervisor/messages.ts';
import type { SupervisorLink } from './supervisor/supervisor-link.ts';

export interface AppOptions {
  readonly config: Config;
  readonly environment: Environment;
  readonly logger: Logger;
  /** Undefined where this process has none. */
  readonly supervisor: SupervisorLink | undefined;
  /** It cannot go on. */
  readonly onEnd: (reason: string) => void;
}

/** A supervisor that is there says at once who lives. */
const heardMsMax = 2_000;
/** As long as a supervisor waits for them. */
const recordersSettleMsMax = 30_000;

/** What is closed, in this order, when the program ends. */
interface Part {
  close(): Promise<void> | void;
}

/** The composition root: the only place that knows all parts. */
export class App {
  /** What others may know of it. */
  readonly facts: ControlFacts;
  readonly #parts: readonly Part[];
  #closing: Promise<void> | undefined;

  private constructor(facts: ControlFacts, parts: readonly Part[]) {
    this.facts = facts;
    this.#parts = parts;
  }

  /** Resolves when calls can be placed. What was started is closed again if a later part fails. */
  static async create(options: AppOptions): Promise<App> {
    const parts: Part[] = [];
    // Last started, first closed.
    const started = <P extends Part>(part: P): P => {
      parts.unshift(part);
      return part;
    };
    try {
      return await assemble(options, parts, started);
    } catch (error) {
      await closeAll(parts);
      throw error;
    }
  }

  /** BYE to every recorder, files whole, ports free. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= closeAll(this.#parts);
    return this.#closing;
  }

  /** For the composition only. */
  static of({ facts, parts }: { facts: ControlFacts; parts: readonly Part[] }): App {
    return new App(facts, parts);
  }
}

async function assemble(
  { config, environment, logger, supervisor, onEnd }: AppOptions,
  parts: Part[],
  started: <P extends Part>(part: P) => P,
): Promise<App> {
  const { media, recording, resource, sip } = config;
  const webhookKeys = webhookKeysOf(environment.webhookSecret);
  const bridges: MediaBridge[] = [];
  let storeProblem: string[] = [];
  const state = started(
    await StatePart.create({
      config,
      clock: systemClock,
      logger: logger.child({ part: 'store' }),
      onFailing: (error) => {
        storeProblem = error === undefined ? [] : [`calls are not kept: ${messageOf(error)}`];
      },
    }),
  );
  const { past, writer } = state;
  const edgePart = started(
    await EdgePart.create({
      config,
      logger: logger.child({ part: 'edge' }),
      onEvent: (event) => {
        for (const bridge of bridges) bridge.handleEdgeEvent(event);
      },
      onLost: onEnd,
    }),
  );
  const edge = edgePart.client;
  if (media.nice < 0 && !takePrecedence(process.pid, Math.trunc(media.nice / 2))) {
    logger.warn(
      { nice: media.nice },
      'not allowed to put media before other work on this machine (CAP_SYS_NICE, LimitNICE)',
    );
  }
  const registry = new Registry();
  const metrics = createMetrics(registry, {
    calls: () => calls.counts(),
    recordingSessions: () => calls.legCounts(),
    recorders: () => resources.list(),
    processes: () => processes.list(),
    processDeaths: () => processes.counts(),
    edge: () => edge.counters(),
  });
  const bridge = started(
    await MediaBridge.create({
      edge,
      config: media,
      workerBin: environment.mediasoupWorker,
      clock: systemClock,
      logger: logger.child({ part: 'media' }),
      keeper: writer,
      observer: {
        workerDied: () => {
          metrics.mediasoupWorkersDied.inc();
        },
        workerHung: () => {
          metrics.mediasoupWorkersHung.inc();
        },
      },
    }),
  );
  bridges.push(bridge);
  await bridge.adopt(past.bridge, edge.found);
  bridge.on('interrupted', ({ callId, interruptedMs }) => {
    metrics.mediaInterruptionSeconds.observe(interruptedMs / 1_000);
    logger.warn({ callId, interruptedMs }, 'the parties had no media; it flows again');
  });
  const inRecorderNetworks = networkMatcher(sip.recorderNetworks);
  const userAgent = started(
    await SipUserAgent.create({
      host: sip.host,
      port: sip.port,
      transports: sip.transports,
      userAgent: 'Tandem',
      logger: logger.child({ part: 'sip' }),
      extensions: ['siprec'],
      timers: { tcpConnectMs: sip.connectTimeoutMs },
      trusts: inRecorderNetworks,
      handlers: {
        onStranger: ({ method }) => {
          metrics.sipStrangers.inc({ method });
        },
      },
    }),
  );
  const client = new SiprecClient({
    userAgent,
    logger: logger.child({ part: 'siprec' }),
    mediaAllowed: inRecorderNetworks,
    keeper: {
      keep: (recordId, snapshot) => {
        writer.put('session', recordId, snapshot);
      },
      forget: (recordId) => {
        writer.remove('session', recordId);
      },
      flush: () => writer.flush(),
    },
  });
  const resources = started(
    await ResourceManager.create({
      settings: resource,
      recorders: config.recorders.list,
      embeddedIds: embeddedRecorderIds(config),
      probe: async (uri, timeoutMs) => {
        const { status, headers } = await userAgent.options({ uri, timeoutMs });
        // RFC 3261 20.33: the comment says why.
        return { status, leaving: /\(draining\)/i.test(headers.get('Retry-After') ?? '') };
      },
      logger: logger.child({ part: 'resource' }),
    }),
  );
  const ledgers = started(
    new LedgerArchive({
      dir: recording.ledgerDir,
      kept: recording.ledgersKept,
      clock: systemClock,
      logger: logger.child({ part: 'ledger' }),
      onWritten: () => {
        metrics.ledgersWritten.inc();
      },
      onDropped: (reason) => {
        metrics.ledgersDropped.inc({ reason });
      },
    }),
  );
  const alarmCenter = started(
    new AlarmCenter({
      ...{ config, webhookKeys, resources, metrics },
      clock: systemClock,
      logger: logger.child({ part: 'alarm' }),
    }),
  );
  const processes = new ProcessDirectory({
    self: ownView(),
    workers: () => [edgePart.view(), ...workersOf(bridge)],
    onUp: (recorder) => {
      resources.put({ ...recorder, weight: 1, tenants: [], sites: [], reports: 'expected' });
    },
    onDown: (id) => {
      resources.markDown(id, 'sip_closed');
    },
    onDeaths: (deaths) => {
      for (const { role, process, pid, exit, at } of deaths) {
        // Of a recorder there is an alarm that says more.
        if (role === 'recorder') continue;
        alarmCenter.alarms.raise('process-died', {}, { role, id: process, pid, exit, at });
      }
      supervisor?.toldOfDeaths(deaths.map(({ id }) => id));
    },
  });
  const calls = started(
    new Calls(
      {
        bridge,
        allocator: resources,
        client,
        clock: systemClock,
        journal: writer,
        observer: recordingObserver({
          alarmCenter,
          ...{ metrics, ledgers, unproven: config.alarms.unproven },
        }),
        settings: { ...recording, inviteTimeoutMs: sip.inviteTimeoutMs },
      },
      {
        ...recording,
        ...config.calls,
        path: media.path,
        latch: media.latch,
        probeWindowMs: resource.health.intervalMs * resource.health.failures,
        // What is not confirmed by then is in the ring still, and there is time to find another recorder.
        detection: { ...recording.detection, silenceMsMax: media.ring.seconds * 600 },
      },
      logger.child({ part: 'recording' }),
    ),
  );
  if (supervisor !== undefined) {
    supervisor.listen((tree) => {
      processes.take(tree);
    });
    // Recorders that end with the program are no news.
    started({
      close: () => {
        supervisor.listen(() => undefined);
      },
    });
    await inTime(processes.heard, heardMsMax);
  } else if (config.recorders.embedded !== undefined) {
    logger.warn('embedded recorders are started by `tandem serve`: there are none here');
  }
  calls.start();
  const adopted = calls.adopt(past.calls);
  // Whoever waits for an answer to a call that goes on does not wait for recorders.
  if (supervisor !== undefined && adopted.calls === 0) {
    await inTime(processes.settled, recordersSettleMsMax);
  }
  const http = started(
    await HttpServer.create({
      http: config.http,
      token: environment.httpToken,
      calls,
      recorders: resources,
      metrics,
      logger: logger.child({ part: 'http' }),
      health: () =>
        healthOf({
          problems: [...bridge.problems(), ...problemsOf(supervisor), ...storeProblem],
          processes: processes.list(),
          recorders: resources.list(),
          legsWithoutRecorder: legsWithoutRecorder(calls),
          callsWithoutMedia: alarmCenter.mediaAlarms.count,
        }),
      alarms: () => alarmCenter.alarms.list(),
      processes: () => processes.list(),
    }),
  );
  const signalling = userAgent.addresses.tcp ?? userAgent.addresses.udp;
  return App.of({
    facts: {
      role: 'control',
      http: urlOf(http.address),
      httpPort: http.address.port,
      sipPort: signalling?.port ?? 0,
      recorders: resources.list().length,
    },
    parts,
  });
}

/** Recorders that do not come up are no reason not to take calls. */
async function inTime(event: Promise<void>, timeoutMs: number): Promise<void> {
  const patience = Promise.withResolvers<undefined>();
  const timer = systemClock.setTimeout(() => {
    patience.resolve(undefined);
  }, timeoutMs);
  await Promise.race([event, patience.promise]);
  systemClock.clearTimeout(timer);
}

function ownView(): ProcessState {
  const identity = identityOf(process.pid) ?? { pid: process.pid, startTicks: 0 };
  const startedAt = startedAtOf(identity);
  return { role: 'control', id: 'control', pid: process.pid, startedAt, starts: 1 };
}

function workersOf(bridge: MediaBridge): ProcessState[] {
  return bridge.workers().map(({ index, pid, startedAt, starts }) => ({
    role: 'worker',
    id: `w${index + 1}`,
    ...{ pid, starts },
    startedAt: new Date(systemClock.wallOf(startedAt)).toISOString(),
  }));
}

function problemsOf(supervisor: SupervisorLink | undefined): string[] {
  return supervisor !== undefined && supervisor.supervisor === undefined
    ? ['no supervisor: a process that dies is not started again']
    : [];
}

function legsWithoutRecorder(calls: Calls): number {
  return calls.legCounts().find(({ state }) => state === 'failed')?.count ?? 0;
}

function urlOf({ host, port }: { host: string; port: number }): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function closeAll(parts: readonly Part[]): Promise<void> {
  for (const part of parts) await part.close();
}
