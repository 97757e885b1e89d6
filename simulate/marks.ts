/** Rare branches that a batch of seeds should reach: what never happened was never tested. */
export const markNames = [
  'failover',
  'failover while paused',
  'failover of both legs at once',
  'replay',
  'replay after overrun',
  'leg without a recorder',
  'leg got a recorder after all',
  'recorder was due again',
  'answer after CANCEL',
  'refused by status',
  'recorder answered late',
  'recorder took no media',
  'recorder moved its media',
  'recorder lied',
  'recorder was drained',
  'recorder came back',
  'control came back',
  'ICMP refusal',
  'ICMP that proves nothing',
  'local sending error',
  'slow order to the edge',
  'report by ranges denied packets',
  'packets withheld by a pause',
  'verdict complete',
  'verdict complete-by-merge',
  'verdict missing',
  'verdict unproven',
  'verdict no-media',
  'clock was set',
] as const;

export type MarkName = (typeof markNames)[number];

export class Marks {
  readonly #counts = new Map<MarkName, number>();

  hit(name: MarkName): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  counts(): Partial<Record<MarkName, number>> {
    return Object.fromEntries(this.#counts);
  }
}
