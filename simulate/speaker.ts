import type { SimClock } from './clock.ts';
import type { PartyPacket } from './packet.ts';
import type { Quirk, SpeechPlan } from './plan.ts';
import type { Random } from './random.ts';

export interface SpeakerOptions {
  readonly plan: SpeechPlan;
  readonly clock: SimClock;
  readonly random: Random;
  /** When the call began: quirks are timed from it. */
  readonly startedAt: number;
  /** `dropped`: it reached our host, and no further. */
  readonly send: (packet: PartyPacket, dropped: boolean) => void;
}

const sparseMs = 400;

/** A party that speaks: its packets, as they come to us. */
export class Speaker {
  readonly #options: SpeakerOptions;
  readonly #quirks: Quirk[];
  #ssrc: number;
  #sequence: number;
  #timestamp = 160_000;
  #id = 0;
  #silentUntil = 0;
  #sparseUntil = 0;
  #droppedUntil = 0;
  #stopped = false;
  held = false;

  constructor(options: SpeakerOptions) {
    this.#options = options;
    this.#ssrc = 1 + options.random.below(1_000_000);
    // Some begin close to where their numbers wrap.
    this.#sequence = options.random.chance(0.3) ? 65_400 : options.random.below(65_536);
    this.#quirks = [...options.plan.quirks].sort((x, y) => x.at - y.at);
  }

  start(): void {
    const { afterMs } = this.#options.plan;
    if (afterMs !== Infinity) this.#later(afterMs);
  }

  stop(): void {
    this.#stopped = true;
  }

  #later(delayMs: number): void {
    this.#options.clock.quietly(delayMs, () => {
      if (this.#stopped) return;
      const { packetMs } = this.#options.plan;
      const now = this.#options.clock.now();
      this.#beQuirky(now);
      this.#timestamp += packetMs * 8;
      if (now < this.#silentUntil || this.held) {
        this.#later(packetMs);
        return;
      }
      this.#say();
      const sparse = now < this.#sparseUntil;
      if (sparse) this.#timestamp += (sparseMs - packetMs) * 8;
      this.#later(sparse ? sparseMs : packetMs);
    });
  }

  #beQuirky(now: number): void {
    for (;;) {
      const quirk = this.#quirks[0];
      if (quirk === undefined || this.#options.startedAt + quirk.at > now) return;
      this.#quirks.shift();
      switch (quirk.kind) {
        case 'silence':
          this.#silentUntil = now + quirk.forMs;
          break;
        case 'sparse':
          this.#sparseUntil = now + quirk.forMs;
          break;
        case 'dropped':
          this.#droppedUntil = now + quirk.forMs;
          break;
        case 'jump':
          this.#sequence = (this.#sequence + quirk.by) & 0xffff;
          break;
        case 'ssrc':
          this.#ssrc += 1;
          this.#sequence = this.#options.random.below(65_536);
          break;
        case 'stray':
          this.#send(this.#packet((this.#sequence - quirk.old) & 0xffff));
          break;
        default:
          quirk satisfies never;
      }
    }
  }

  #say(): void {
    const { plan, random, clock } = this.#options;
    const packet = this.#packet(this.#sequence);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    if (plan.lost > 0 && random.chance(plan.lost)) return;
    if (plan.late > 0 && random.chance(plan.late)) {
      clock.quietly(plan.packetMs * (1 + random.next()), () => {
        if (!this.#stopped) this.#send(packet);
      });
    } else this.#send(packet);
    if (plan.doubled > 0 && random.chance(plan.doubled)) this.#send(packet);
  }

  #send(packet: PartyPacket): void {
    this.#options.send(packet, this.#options.clock.now() < this.#droppedUntil);
  }

  #packet(sequence: number): PartyPacket {
    this.#id += 1;
    const timestamp = this.#timestamp;
    return { ssrc: this.#ssrc, sequence, timestamp, payloadType: 0, id: this.#id };
  }
}
