import type { Party } from '../src/recording/interfaces.ts';

/** What a party said, as it came to us. */
export interface Heard {
  readonly extended: number;
  readonly id: number;
  readonly at: number;
}

/**
 * - `on`: it was to be recorded. - `off`: it was not, and no file may hold it. - `unsure`: an order was on its way, and either is right.
 */
export type Wish = 'on' | 'off' | 'unsure';

/** What really was, of one call: what the ledger is held against. */
export class CallTruth {
  readonly id: string;
  readonly heard: Readonly<Record<Party, Heard[]>> = { a: [], b: [] };
  readonly #wishes: { readonly at: number; readonly wish: Wish }[] = [
    { at: -Infinity, wish: 'off' },
  ];
  /** When the recording that the ledger is about began. */
  begunAt = Infinity;
  answered = false;
  /** Packets that were to be recorded, and that our own socket had no room for. */
  dropped = 0;
  /** Dropped since then: what tells where they belong is the packet that comes after them, if no order comes before it. */
  #droppedLately: Record<Party, number> = { a: 0, b: 0 };
  /** Of each party's stream, as the edge sends it on. */
  readonly ssrcs: Partial<Record<Party, number>> = {};
  /** An action is on its way. */
  busy = 0;
  deleted: 'no' | 'asked' | 'done' = 'no';
  deletedAt = Infinity;
  /** A party was put on hold once. */
  everHeld = false;

  constructor(id: string) {
    this.id = id;
  }

  get wish(): Wish {
    return this.#wishes.at(-1)?.wish ?? 'off';
  }

  drop(party: Party): void {
    this.#droppedLately[party] += 1;
  }

  hear(party: Party, heard: Heard): void {
    this.heard[party].push(heard);
    if (this.wish === 'on') this.dropped += this.#droppedLately[party];
    this.#droppedLately[party] = 0;
  }

  wishes(wish: Wish, at: number): void {
    this.#droppedLately = { a: 0, b: 0 };
    this.#wishes.push({ at, wish });
  }

  wishAt(at: number): Wish {
    let found: Wish = 'off';
    for (const { at: since, wish } of this.#wishes) {
      if (since > at) break;
      found = wish;
    }
    // What came at the very moment of an order came before it or after it.
    return this.#wishes.some((one) => one.at === at) ? 'unsure' : found;
  }

  /** Of the party, what was surely to be recorded. */
  wanted(party: Party): Heard[] {
    return this.#surely(party, 'on');
  }

  /** Of the party, what no file may hold. */
  unwanted(party: Party): Heard[] {
    return this.#surely(party, 'off');
  }

  /** A packet that came late is of the time of its number: where that was another wish's, either is right. */
  #surely(party: Party, wish: Wish): Heard[] {
    const found: Heard[] = [];
    let highestOther = 0;
    for (const heard of this.heard[party]) {
      if (heard.at <= this.begunAt || this.wishAt(heard.at) !== wish) {
        highestOther = Math.max(highestOther, heard.extended);
      } else if (heard.extended > highestOther) found.push(heard);
    }
    return found;
  }
}
