import { randomUUID } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { Edge } from '../edge/edge.ts';
import type { EdgeEvent, LatchPolicy } from '../edge/types.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { SiprecServer } from '../siprec/server.ts';
import type { RecordingRequest } from '../siprec/server.ts';
import type { SrsSession } from '../siprec/srs-session.ts';
import type { Header } from '../sip/message/headers.ts';
import { SipUserAgent } from '../sip/ua/user-agent.ts';
import type { FinishRequest } from './finish-recording.ts';
import { Finisher } from './finisher.ts';
import { IdleWatch } from './idle-watch.ts';
import type { IdleCandidate } from './idle-watch.ts';
import { findLeftovers } from './leftovers.ts';
import { RecorderSession } from './recorder-session.ts';

export interface RecorderOptions {
  readonly id: string;
  readonly host: string;
  readonly sipPort: number;
  readonly transports: readonly ('udp' | 'tcp')[];
  readonly dir: string;
  readonly ports: { readonly min: number; readonly max: number };
  readonly capacity: number;
  readonly latch: LatchPolicy;
  readonly threads: number;
  readonly rtcpIntervalMs: number;
  /** A disk with less than this counts as full before a session begins. */
  readonly freeBytesMin: number;
  /** A session without media for this long is asked whether its SRC still knows it. */
  readonly idleMs: number;
  /** How long SRCs have to move their sessions elsewhere when the recorder is told to stop. */
  readonly drainMs: number;
  readonly edgeAddon: string | undefined;
  readonly logger: Logger;
}

interface Running {
  readonly session: RecorderSession;
  readonly dialog: SrsSession;
}

/** RFC 3261 section 20.33: the comment tells a recorder that is going from one that is full. */
const retryAfterDrain: Header = ['Retry-After', '5 (draining)'];
const postponedMax = 1_000;

/** No dot at the front, no slash: it names a folder. */
const recordIdPattern = /^[A-Za-z0-9_+=@-][A-Za-z0-9._+=@-]{0,127}$/;

/** The reference recorder: a session recording server that writes a folder for each recording session. */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #logger: Logger;
  readonly #finisher: Finisher;
  readonly #running = new Map<string, Running>();
  readonly #finishing = new Set<Promise<void>>();
  readonly #idleWatch: IdleWatch;
  /** Folders that could not be finished yet. */
  #postponed: FinishRequest[] = [];
  #draining = false;
  #drained: (() => void) | undefined;
  #edge: Edge | undefined;
  #userAgent: SipUserAgent | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: RecorderOptions) {
    this.#options = options;
    this.#logger = options.logger;
    this.#finisher = new Finisher(options.logger);
    this.#idleWatch = new IdleWatch({
      idleMs: options.idleMs,
      clock: systemClock,
      candidates: () => this.#idleCandidates(),
      onLook: () => {
        this.#giveUpFailed();
        this.#finishPostponed();
      },
    });
  }

  /** Resolves when sessions are taken. What a crash left behind is finished beside. Errors: STORAGE_UNWRITABLE, EDGE_FAILED. */
  static async create(options: RecorderOptions): Promise<Recorder> {
    const recorder = new Recorder(options);
    try {
      mkdirSync(options.dir, { recursive: true });
    } catch (cause) {
      throw new TandemError('STORAGE_UNWRITABLE', `${options.dir}: ${messageOf(cause)}`, { cause });
    }
    try {
      for (const leftover of findLeftovers(options.dir, options.id)) recorder.#finish(leftover);
      await recorder.#listen();
    } catch (error) {
      await recorder.close();
      throw error;
    }
    recorder.#idleWatch.start();
    return recorder;
  }

  /** `sip:127.0.0.1:5070;transport=tcp` */
  get uri(): string {
    const { tcp, udp } = this.#userAgent?.addresses ?? {};
    const address = tcp ?? udp;
    const host = address?.host.includes(':') === true ? `[${address.host}]` : address?.host;
    return `sip:${host ?? ''}:${address?.port ?? 0};transport=${tcp === undefined ? 'udp' : 'tcp'}`;
  }

  get sessionCount(): number {
    return this.#running.size;
  }

  /**
   * Takes no more sessions, and says so with 503 to OPTIONS and INVITE. Resolves when the last session has gone, or
   * after `drainMs`, or when `signal` is aborted.
   */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    if (this.#running.size === 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = systemClock.setTimeout(resolve, this.#options.drainMs);
      this.#drained = () => {
        systemClock.clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', this.#drained, { once: true });
    });
  }

  /** BYE to every session; resolves when all files are whole. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#idleWatch.close();
    // A session ends with its BYE, not with the answer: the user agent waits for that, and not long.
    for (const { dialog } of [...this.#running.values()]) void dialog.hangUp(503, 'shutting down');
    await this.#userAgent?.close();
    await Promise.all(this.#finishing);
    await this.#finisher.close();
    this.#edge?.close();
  }

  async #listen(): Promise<void> {
    const { host, sipPort, transports, ports, threads, rtcpIntervalMs, edgeAddon, id } =
      this.#options;
    this.#edge = Edge.create(
      {
        threads,
        legHosts: [],
        ports,
        // A recorder has no rings.
        ring: { seconds: 0.1, bytes: 16_384 },
        catchUpRate: 4,
        rtcpIntervalMs,
        cname: `${id}@${host}`,
      },
      (event) => {
        this.#handleEdgeEvent(event);
      },
      edgeAddon,
    );
    const server = new SiprecServer({
      open: (request, dialog) => Promise.resolve(this.#open(request, dialog)),
      clock: systemClock,
      logger: this.#logger,
    });
    this.#userAgent = await SipUserAgent.create({
      host,
      port: sipPort,
      transports,
      userAgent: 'Tandem recorder',
      logger: this.#logger,
      extensions: ['siprec'],
      accept: ['application/sdp', 'application/rs-metadata+xml', 'multipart/mixed'],
      handlers: { onInvite: server.onInvite, onOptions: () => this.#health() },
    });
  }

  /** 503 while it would refuse a session, so that others are asked first. */
  #health(): { status: number; reason?: string; headers?: Header[] } {
    try {
      this.#assertStorage();
      return this.#isLeaving ? { status: 503, headers: [retryAfterDrain] } : { status: 200 };
    } catch (error) {
      return { status: 503, reason: messageOf(error) };
    }
  }

  get #isLeaving(): boolean {
    return this.#draining || this.#closing !== undefined;
  }

  #open(request: RecordingRequest, dialog: SrsSession): RecorderSession {
    const { capacity, dir, host, id, latch } = this.#options;
    const edge = this.#edge as Edge;
    if (this.#isLeaving) {
      throw new TandemError('CALL_LIMIT', 'draining');
    }
    if (this.#running.size >= capacity) {
      throw new TandemError('CALL_LIMIT', `${capacity} sessions are on`, { details: { capacity } });
    }
    const recordId = this.#recordIdFor(request.user);
    this.#assertStorage();
    const logger = this.#logger.child({ recordId });
    const session = RecorderSession.create({
      recordId,
      recorder: id,
      folder: join(dir, recordId),
      sipCallId: request.sipCallId,
      source: request.source,
      host,
      latch,
      edge,
      clock: systemClock,
      logger,
      onAbandoned: () => {
        this.#forget(recordId);
      },
      onEnded: (finish) => {
        this.#forget(recordId);
        logger.info({ reason: finish.endReason }, 'recording session ended');
        this.#finish(finish);
      },
    });
    this.#running.set(recordId, { session, dialog });
    logger.info({ source: request.source }, 'recording session begins');
    return session;
  }

  /** Many clients call every session the same (`sip:srs@…`): the first has the name, the others get one that begins with it. */
  #recordIdFor(user: string): string {
    if (user === '') return randomUUID();
    if (!recordIdPattern.test(user)) {
      throw new TandemError('INVALID_REQUEST', 'not a record identifier', {
        details: { field: 'Request-URI', value: user.slice(0, 128) },
      });
    }
    const taken = this.#running.has(user) || existsSync(join(this.#options.dir, user));
    return taken ? `${user.slice(0, 91)}-${randomUUID()}` : user;
  }

  #assertStorage(): void {
    const { dir, freeBytesMin } = this.#options;
    let free;
    try {
      accessSync(dir, constants.W_OK);
      const { bavail, bsize } = statfsSync(dir);
      free = bavail * bsize;
    } catch (cause) {
      throw new TandemError('STORAGE_UNWRITABLE', 'recordings cannot be written', { cause });
    }
    if (free < freeBytesMin) throw new TandemError('STORAGE_FULL', 'the disk is full');
  }

  #handleEdgeEvent(event: EdgeEvent): void {
    if (event.type !== 'capture-failed' && event.type !== 'capture-restored') return;
    for (const [recordId, { session, dialog }] of this.#running) {
      if (session.captureId !== event.captureId) continue;
      if (event.type === 'capture-restored') {
        this.#logger.error(
          { recordId },
          'recording was deleted while it ran, and is written again',
        );
        session.restored();
        continue;
      }
      this.#giveUp(recordId, { session, dialog }, event.errno);
    }
  }

  #giveUp(recordId: string, { session, dialog }: Running, errno: string): void {
    this.#logger.error({ recordId, errno }, 'recording cannot be written any more');
    session.fail(errno);
    void dialog.hangUp(503, errno === 'ENOSPC' ? 'disk full' : 'storage failed');
  }

  /** The edge tells it once, and an event may be dropped. */
  #giveUpFailed(): void {
    for (const [recordId, running] of this.#running) {
      const errno = running.session.unnoticedFailure;
      if (errno !== undefined) this.#giveUp(recordId, running, errno);
    }
  }

  *#idleCandidates(): Generator<[string, IdleCandidate]> {
    for (const [recordId, { session, dialog }] of this.#running) {
      const candidate: IdleCandidate = {
        lastMediaAt: session.lastMediaAt,
        isAlive: () => dialog.isAlive(),
        giveUp: () => {
          this.#logger.warn({ recordId }, 'the recording client is gone');
          void dialog.hangUp(408, 'no media, and no answer from the recording client');
        },
      };
      yield [recordId, candidate];
    }
  }

  #forget(recordId: string): void {
    this.#running.delete(recordId);
    if (this.#running.size === 0) this.#drained?.();
  }

  #finish(request: FinishRequest): void {
    const work = this.#finisher.finish(request).then((whole) => {
      if (!whole && this.#postponed.length < postponedMax) this.#postponed.push(request);
    });
    this.#finishing.add(work);
    void work.then(() => this.#finishing.delete(work));
  }

  /** What a full disk held up: as soon as there is room again. */
  #finishPostponed(): void {
    if (this.#postponed.length === 0 || this.#health().status !== 200) return;
    const requests = this.#postponed;
    this.#postponed = [];
    for (const request of requests) this.#finish(request);
  }
}
