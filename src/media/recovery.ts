import type { EventEmitter } from 'node:events';
import type { Clock, Timer } from '../clock.ts';
import type { RelayStall } from '../edge/types.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { CallRoute } from './call-route.ts';
import type { MediaEdge } from './media-edge.ts';
import type { WorkerPool, WorkerPoolEvents, WorkerSlot } from './worker-pool.ts';

const recoveriesAtOnce = 16;
/** The edge tells of stalls by events, too, but an event may be dropped. */
const lookEveryMs = 500;

export interface CarriedCall {
  readonly callId: string;
  readonly route: Pick<CallRoute, 'isAway' | 'lose' | 'stall' | 'recover'>;
  readonly portIds: readonly number[];
}

export interface RecoveryOptions {
  readonly pool: Pick<WorkerPool, 'examine'> & EventEmitter<WorkerPoolEvents>;
  readonly edge: Pick<MediaEdge, 'relayStalls'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly calls: () => readonly CarriedCall[];
  readonly onWorkerDied: () => void;
  /** Its parties had no media for this long. */
  readonly onBack: (callId: string, interruptedMs: number) => void;
  readonly onLost: (callId: string, reason: string) => void;
}

/** Brings calls back into mediasoup whose worker died, hangs, or does not forward what it should. */
export class Recovery {
  readonly #options: RecoveryOptions;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  start(): void {
    const { pool, onWorkerDied } = this.#options;
    pool.on('died', (slot, at) => {
      onWorkerDied();
      void this.#recover(this.#options.calls().filter((call) => this.#lose(call, slot, at)));
    });
    // Those that found none alive meanwhile.
    pool.on('restarted', () => void this.#recover(this.#options.calls().filter(isAway)));
    this.#lookLater();
  }

  /** Which calls does the edge lead around mediasoup? */
  look(): void {
    if (this.#closed) return;
    const { edge, calls } = this.#options;
    const stalls = new Map(edge.relayStalls().map((stall) => [stall.portId, stall]));
    if (stalls.size === 0) return;
    const bySlot = new Map<WorkerSlot, CarriedCall[]>();
    for (const call of calls()) {
      const stall = stallOf(call, stalls);
      const slot = stall && call.route.stall(stall);
      if (slot) bySlot.set(slot, [...(bySlot.get(slot) ?? []), call]);
    }
    for (const [slot, stalled] of bySlot) void this.#examine(slot, stalled);
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #lookLater(): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      this.look();
      this.#lookLater();
    }, lookEveryMs);
  }

  /** What fails here fails again when it is to be brought back, and is told then. */
  #lose({ callId, route }: CarriedCall, slot: WorkerSlot, at: number): boolean {
    try {
      return route.lose(slot, at);
    } catch (error) {
      this.#options.logger.error({ callId, err: error }, 'no way around mediasoup');
      return true;
    }
  }

  async #examine(slot: WorkerSlot, stalled: readonly CarriedCall[]): Promise<void> {
    const { pool, logger } = this.#options;
    logger.error(
      { worker: slot.worker.pid, calls: stalled.length },
      'nothing comes back out of mediasoup: these calls go around it',
    );
    // If it hangs it is killed, and all its calls come back when it is dead.
    if (!(await pool.examine(slot))) await this.#recover(stalled);
  }

  async #recover(calls: readonly CarriedCall[]): Promise<void> {
    const { logger, onBack, onLost } = this.#options;
    const waiting = [...calls];
    const recoverInTurn = async (): Promise<void> => {
      for (let call = waiting.shift(); call; call = waiting.shift()) {
        const { callId, route } = call;
        try {
          const interruptedMs = await route.recover();
          if (interruptedMs !== undefined) onBack(callId, interruptedMs);
        } catch (error) {
          logger.error({ callId, err: error }, `media did not come back: ${messageOf(error)}`);
          onLost(callId, messageOf(error));
        }
      }
    };
    await Promise.all(Array.from({ length: recoveriesAtOnce }, recoverInTurn));
  }
}

const isAway = ({ route }: CarriedCall): boolean => route.isAway;

function stallOf(
  { portIds }: CarriedCall,
  stalls: ReadonlyMap<number, RelayStall>,
): RelayStall | undefined {
  const own = portIds.flatMap((portId) => stalls.get(portId) ?? []);
  return own.sort((left, right) => left.since - right.since)[0];
}
