import { setTimeout as delay } from 'node:timers/promises';
import type { OpenedPort, PortRoute, SocketAddress } from '../edge/types.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { MediaPath, Party, Payload } from '../recording/interfaces.ts';
import type { MediaEdge } from './media-edge.ts';
import { bothParties, otherParty } from './party.ts';
import { Relay } from './relay.ts';
import { assignStandIns, type StandInCodec } from './stand-in-codecs.ts';
import type { WorkerPool, WorkerSlot } from './worker-pool.ts';

const attemptsMax = 3;
const workerWaitMs = 1_000;
const relayTimeoutMs = 2_000;
/** Egress that ended this long before a worker's death did not end because of it. */
const lastEgressWithinMs = 1_000;

export interface CallRouteOptions {
  readonly edge: MediaEdge;
  /** Absent: every call goes direct. */
  readonly pool: WorkerPool | undefined;
  readonly wanted: MediaPath;
  readonly opened: Readonly<Record<Party, OpenedPort>>;
  readonly relayAddress: SocketAddress;
  readonly relayPorts: { readonly min: number; readonly max: number };
  readonly logger: Logger;
  readonly onFallback: () => void;
}

/** How a call's media gets from one party's port to the other's. Changes are made one after the other, never at once. */
export class CallRoute {
  readonly #options: CallRouteOptions;
  #path: MediaPath;
  #relay: Relay | undefined;
  #lostAt: number | undefined;
  #closed = false;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: CallRouteOptions) {
    this.#options = options;
    this.#path = options.wanted;
  }

  get path(): MediaPath {
    return this.#path;
  }

  /**
   * Gets ready to carry `payloads`, then calls `switchOver` and turns the media to the new way at once: make before break. An empty
   * list stops the media. Errors: CALL_NOT_FOUND when the call was closed meanwhile.
   */
  carry(payloads: readonly Payload[], switchOver: () => void): Promise<void> {
    return this.#inTurn(async () => {
      const codecs = this.#options.wanted === 'mediasoup' ? assignStandIns(payloads) : undefined;
      const kept = codecs && this.#relay?.alive === true && this.#relay.carries(codecs);
      const relay = kept ? this.#relay : codecs && (await this.#build(codecs, undefined));
      if (this.#closed) {
        relay?.close();
        throw new TandemError('CALL_NOT_FOUND', 'the call was closed');
      }
      switchOver();
      this.#turnTo(relay, payloads.length > 0);
    });
  }

  /** The worker on `slot` is dead. True when it carried this call: `recover` then. `at`: Unix ms. */
  lose(slot: WorkerSlot, at: number): boolean {
    if (this.#closed || this.#relay?.slot !== slot) return false;
    this.#lostAt ??= this.#lastEgressBefore(at);
    // The dead worker's ports may be another call's at once: the edge must not send there, nor take from there.
    this.#setRoutes(() => ({ kind: 'none' }));
    return true;
  }

  /** Brings the media back on the same ports; resolves to how long there was none, undefined if it was not away. */
  recover(): Promise<number | undefined> {
    return this.#inTurn(async () => {
      const lostAt = this.#lostAt;
      if (this.#closed || lostAt === undefined) return undefined;
      const dead = this.#relay;
      // A re-offer that was answered meanwhile has brought the media back already.
      if (dead?.alive === false) {
        const relay = await this.#build(dead.codecs, { slot: dead.slot, at: lostAt });
        if (this.#isClosed()) {
          relay?.close();
          return undefined;
        }
        this.#turnTo(relay, true);
      }
      this.#lostAt = undefined;
      return Math.max(0, Date.now() - lostAt);
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

  #turnTo(relay: Relay | undefined, flowing: boolean): void {
    const { opened, logger, onFallback } = this.#options;
    let next = relay;
    const direct = (party: Party): PortRoute => ({
      kind: 'direct',
      peerPortId: opened[otherParty(party)].portId,
    });
    if (!flowing) {
      this.#setRoutes(() => ({ kind: 'none' }));
    } else if (!relay) {
      this.#setRoutes(direct);
    } else {
      try {
        this.#setRoutes((party) => ({ kind: 'relay', to: relay.addresses[party] }));
      } catch (error) {
        logger.error({ err: error }, 'no way to mediasoup: media takes the direct path');
        this.#setRoutes(direct);
        relay.close();
        next = undefined;
        onFallback();
      }
    }
    if (this.#relay !== next) this.#relay?.close();
    this.#relay = next;
    if (flowing) this.#path = next ? 'mediasoup' : 'direct';
  }

  #setRoutes(routeOf: (party: Party) => PortRoute): void {
    const { edge, opened } = this.#options;
    for (const party of bothParties) edge.setRoute(opened[party].portId, routeOf(party));
  }

  /** Undefined: no worker can take it, so that the call goes direct. The call comes first. */
  async #build(
    codecs: readonly StandInCodec[],
    dead: { slot: WorkerSlot; at: number } | undefined,
  ): Promise<Relay | undefined> {
    const { pool, opened, relayAddress, relayPorts, logger } = this.#options;
    if (!pool) return undefined;
    const ssrcs = { a: opened.a.ssrc, b: opened.b.ssrc };
    const options = { codecs, edge: relayAddress, ssrcs, ports: relayPorts };
    for (let attempt = 1; attempt <= attemptsMax && !this.#closed; attempt += 1) {
      const slot =
        attempt === 1 && dead
          ? await pool.enterSuccessor(dead.slot, Math.max(0, dead.at + workerWaitMs - Date.now()))
          : await pool.enterSoon(workerWaitMs);
      if (!slot) break;
      try {
        return await inTime(Relay.create(slot, options));
      } catch (error) {
        logger.warn({ attempt, worker: slot.worker.pid, err: error }, 'no way through mediasoup');
      }
    }
    if (!this.#closed) {
      logger.error('no mediasoup worker can carry the call: media takes the direct path');
      this.#options.onFallback();
    }
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

/** A worker that hangs must not hold the call up; what it makes after all is thrown away. */
async function inTime(creation: Promise<Relay>): Promise<Relay> {
  const timer = new AbortController();
  const timeout = delay(relayTimeoutMs, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    const relay = await Promise.race([creation, timeout]);
    if (relay) return relay;
    creation
      .then((late) => {
        late.close();
      })
      .catch(() => undefined);
    throw new TandemError(
      'WORKER_LOST',
      `mediasoup worker does not answer in ${relayTimeoutMs} ms`,
    );
  } finally {
    timer.abort();
  }
}
