import type { Clock } from '../clock.ts';
import type { OpenedPort, PortRoute, RelayStall, SocketAddress } from '../edge/types.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { MediaPath, Party, Payload } from '../recording/interfaces.ts';
import { allDone } from './all-done.ts';
import type { MediaEdge } from './media-edge.ts';
import type { StoredMedia } from './media-keeper.ts';
import { bothParties, otherParty } from './party.ts';
import { Relay } from './relay.ts';
import { assignStandIns, type StandInCodec } from './stand-in-codecs.ts';
import type { WorkerPool, WorkerSlot } from './worker-pool.ts';

const attemptsMax = 3;
const workerWaitMs = 1_000;
const relayTimeoutMs = 2_000;
/** Egress that ended this long before a worker's death did not end because of it. */
const lastEgressWithinMs = 1_000;
/** A worker that has not made what it was asked for by then is asked whether it is there. */
const doubtAfterMs = 300;
/** Stalls of a call that lie further apart have nothing to do with each other. */
const stallsApartMs = 60_000;

export interface CallRouteOptions {
  readonly edge: MediaEdge;
  /** Absent: every call goes direct. */
  readonly pool: WorkerPool | undefined;
  readonly wanted: MediaPath;
  readonly opened: Readonly<Record<Party, OpenedPort>>;
  readonly relayAddress: SocketAddress;
  readonly relayPorts: { readonly min: number; readonly max: number };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFallback: () => void;
  /** As another process left it. */
  readonly stored?: Pick<StoredMedia, 'path' | 'relayed'>;
}

/** Unix ms. There was no media from `from` to `at`; whether anybody was `told` how long that was. */
interface Away {
  readonly from: number;
  readonly at: number;
  told: boolean;
}

/** How a call's media gets from one party's port to the other's. Changes are made one after the other, never at once. */
export class CallRoute {
  readonly #options: CallRouteOptions;
  #path: MediaPath;
  #relay: Relay | undefined;
  /** The parties' media goes around mediasoup until it is back. */
  #away: Away | undefined;
  /** Mediasoup is there and does not forward. */
  #stalled = false;
  /** What the edge says of stalls is of the way that it is turning from. */
  #turning = 0;
  /** Of late, and how many since they come close together. */
  #stalls = { count: 0, at: 0 };
  /** The parties have heard mediasoup's stream: what takes its place goes on with it. */
  #relayed = false;
  #closed = false;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: CallRouteOptions) {
    this.#options = options;
    this.#path = options.stored?.path ?? options.wanted;
    this.#relayed = options.stored?.relayed ?? false;
  }

  /** What another process needs to know of it. */
  stored(): Pick<StoredMedia, 'wanted' | 'path' | 'relayed'> {
    return { wanted: this.#options.wanted, path: this.#path, relayed: this.#relayed };
  }

  /** Back into mediasoup, whose workers have ended with their process: the edge leads the media around it. */
  async bringBack(payloads: readonly Payload[]): Promise<void> {
    if (this.#path !== 'mediasoup' || payloads.length === 0) return;
    const now = this.#options.clock.now();
    this.#away ??= { from: now, at: now, told: true };
    await this.carry(payloads, () => Promise.resolve());
  }

  /** `direct` also while the media goes around mediasoup. */
  get path(): MediaPath {
    return this.#away === undefined ? this.#path : 'direct';
  }

  get isAway(): boolean {
    return this.#away !== undefined;
  }

  /**
   * Gets ready to carry `payloads`, then calls `switchOver` and turns the media to the new way right after it: make before break. An
   * empty list stops the media. Errors: CALL_NOT_FOUND when the call was closed meanwhile.
   */
  carry(payloads: readonly Payload[], switchOver: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      const codecs = this.#options.wanted === 'mediasoup' ? assignStandIns(payloads) : undefined;
      const kept =
        codecs && this.#relay?.alive === true && this.#relay.carries(codecs) && !this.#stalled;
      const built = kept ? this.#relay : codecs && (await this.#build(codecs, undefined));
      if (built === 'no-worker') this.#fallBack('no mediasoup worker is alive');
      const relay = built === 'no-worker' ? undefined : built;
      if (this.#closed) {
        relay?.close();
        throw new TandemError('CALL_NOT_FOUND', 'the call was closed');
      }
      await allDone([switchOver(), this.#turnTo(relay, payloads.length > 0)]);
      if (this.#isClosed()) throw new TandemError('CALL_NOT_FOUND', 'the call was closed');
    });
  }

  /**
   * The worker on `slot` is dead: the media goes around mediasoup at once. True when it carried this call: `recover` then.
   * `diedAt`: Unix ms.
   */
  lose(slot: WorkerSlot, diedAt: number): boolean {
    if (this.#closed || this.#relay?.slot !== slot) return false;
    const from = this.#away?.from ?? this.#lastEgressBefore(diedAt);
    this.#away ??= { from, at: this.#options.clock.now(), told: false };
    // Also when the edge has done so: the dead worker's ports may be another call's at once.
    this.#setRoutes((party) => this.#around(party)).catch((error: unknown) => {
      // What fails here fails again when it is to be brought back, and is told then.
      this.#options.logger.error({ err: error }, 'no way around mediasoup');
    });
    return true;
  }

  /** The edge says that nothing comes back and that it goes around mediasoup. Returns whose fault that may be, once. */
  stall({ since, at }: RelayStall): WorkerSlot | undefined {
    if (this.#closed || this.#stalled || this.#turning > 0) return undefined;
    if (this.#relay === undefined) return undefined;
    this.#stalled = true;
    this.#away ??= { from: since, at, told: false };
    return this.#relay.slot;
  }

  /**
   * Brings the media back into mediasoup. While no worker is alive it stays away, and is to be brought back when one has started.
   * Resolves to how long there was none, once; undefined if that was told before, or if it was not away.
   */
  recover(): Promise<number | undefined> {
    return this.#inTurn(async () => {
      const away = this.#away;
      if (this.#closed || away === undefined) return undefined;
      const lost = this.#relay;
      if (lost !== undefined) {
        const relay = lost.alive
          ? await this.#retry(lost)
          : await this.#build(lost.codecs, { slot: lost.slot, at: away.at });
        if (this.#isClosed()) {
          if (relay !== 'no-worker') relay?.close();
          return undefined;
        }
        if (relay === 'no-worker') return interruptionOnce(away);
        await this.#turnTo(relay, true);
      }
      if (this.#away === away) this.#away = undefined;
      return interruptionOnce(away);
    });
  }

  /** Idempotent. The ports are closed by whoever opened them. */
  close(): void {
    this.#closed = true;
    this.#relay?.close();
    this.#relay = undefined;
  }

  #isClosed(): boolean {
    return this.#closed;
  }

  /** What is so from then on is so while the edge is told of it, too: a worker may die meanwhile. */
  async #turnTo(relay: Relay | undefined, flowing: boolean): Promise<void> {
    const before = this.#relay;
    this.#relay = relay;
    this.#stalled = false;
    this.#away = undefined;
    if (flowing) this.#path = relay ? 'mediasoup' : 'direct';
    this.#turning += 1;
    try {
      if (!flowing) await this.#setRoutes(() => ({ kind: 'none' }));
      else if (relay) await this.#turnInto(relay);
      else await this.#setRoutes((party) => this.#around(party));
    } finally {
      this.#turning -= 1;
      if (this.#relay !== before) before?.close();
    }
  }

  async #turnInto(relay: Relay): Promise<void> {
    const { opened, logger, onFallback } = this.#options;
    const payloadTypes = relay.codecs.map(({ payloadType }) => payloadType);
    // What takes its place while the edge is at it goes on with its stream.
    const wasRelayed = this.#relayed;
    this.#relayed = true;
    try {
      await this.#setRoutes((party) => ({
        kind: 'relay',
        to: relay.addresses[party],
        peerPortId: opened[otherParty(party)].portId,
        payloadTypes,
      }));
    } catch (error) {
      if (this.#closed) return;
      logger.error({ err: error }, 'no way to mediasoup: media takes the direct path');
      this.#relayed = wasRelayed;
      this.#relay = undefined;
      this.#path = 'direct';
      const turned = this.#setRoutes((party) => this.#around(party));
      relay.close();
      onFallback();
      await turned;
    }
  }

  /** Its worker is there: it was busy, or does not like this call. Undefined: the call does without it. */
  async #retry(stalled: Relay): Promise<Relay | 'no-worker' | undefined> {
    const { clock } = this.#options;
    const now = clock.now();
    const { count, at } = this.#stalls;
    this.#stalls = { count: now - at < stallsApartMs ? count + 1 : 1, at: now };
    if (this.#stalls.count === 1) return stalled;
    if (this.#stalls.count === 2) return this.#build(stalled.codecs, undefined);
    this.#fallBack('mediasoup does not forward the call');
    return undefined;
  }

  #fallBack(reason: string): void {
    if (this.#closed) return;
    const { logger, onFallback } = this.#options;
    logger.error(`${reason}: media takes the direct path`);
    onFallback();
  }

  #around(party: Party): PortRoute {
    const peerPortId = this.#options.opened[otherParty(party)].portId;
    return { kind: this.#relayed ? 'bypass' : 'direct', peerPortId };
  }

  #setRoutes(routeOf: (party: Party) => PortRoute): Promise<void> {
    const { edge, opened } = this.#options;
    return edge.setRoutes(
      bothParties.map((party) => ({ portId: opened[party].portId, route: routeOf(party) })),
    );
  }

  /** `no-worker`: none is alive. Undefined: none can carry it, so that the call goes direct. The call comes first. */
  async #build(
    codecs: readonly StandInCodec[],
    dead: { slot: WorkerSlot; at: number } | undefined,
  ): Promise<Relay | 'no-worker' | undefined> {
    const { pool, opened, relayAddress, relayPorts, clock, logger } = this.#options;
    if (!pool) return undefined;
    const ssrcs = { a: opened.a.ssrc, b: opened.b.ssrc };
    const options = { codecs, edge: relayAddress, ssrcs, ports: relayPorts };
    for (let attempt = 1; attempt <= attemptsMax && !this.#closed; attempt += 1) {
      const slot =
        attempt === 1 && dead
          ? await pool.enterSuccessor(dead.slot, Math.max(0, dead.at + workerWaitMs - clock.now()))
          : await pool.enterSoon(workerWaitMs);
      if (!slot) return 'no-worker';
      try {
        return await inTime(Relay.create(slot, options), clock, () => void pool.examine(slot));
      } catch (error) {
        logger.warn({ attempt, worker: slot.worker.pid, err: error }, 'no way through mediasoup');
      }
    }
    this.#fallBack('no mediasoup worker can carry the call');
    return undefined;
  }

  #lastEgressBefore(at: number): number {
    const { edge, opened, logger } = this.#options;
    try {
      const times = edge
        .streamReports(bothParties.map((party) => opened[party].portId))
        .map(({ lastEgressAt }) => lastEgressAt)
        .filter((time) => time !== undefined && at - time < lastEgressWithinMs);
      return Math.min(at, ...(times as number[]));
    } catch (error) {
      logger.warn({ err: error }, `last egress is not known: ${messageOf(error)}`);
      return at;
    }
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(step);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

/** How long the parties had no media, in ms. */
function interruptionOnce(away: Away): number | undefined {
  if (away.told) return undefined;
  away.told = true;
  return Math.max(0, away.at - away.from);
}

/** A worker that hangs must not hold the call up; what it makes after all is thrown away. */
async function inTime(creation: Promise<Relay>, clock: Clock, doubt: () => void): Promise<Relay> {
  const late = Promise.withResolvers<undefined>();
  const timers = [
    clock.setTimeout(doubt, doubtAfterMs),
    clock.setTimeout(() => {
      late.resolve(undefined);
    }, relayTimeoutMs),
  ];
  try {
    const relay = await Promise.race([creation, late.promise]);
    if (relay) return relay;
    creation
      .then((made) => {
        made.close();
      })
      .catch(() => undefined);
    throw new TandemError(
      'WORKER_LOST',
      `mediasoup worker does not answer in ${relayTimeoutMs} ms`,
    );
  } finally {
    for (const timer of timers) clock.clearTimeout(timer);
  }
}
