import type { Alarms } from './alarms.ts';

/** `no-media`: nothing comes of a party of a call that is recorded. Once for each party of a call. */
export class MediaAlarms {
  readonly #alarms: Alarms;
  /** By call. */
  readonly #silent = new Map<string, { now: readonly string[]; readonly told: Set<string> }>();

  constructor(alarms: Alarms) {
    this.#alarms = alarms;
  }

  /** Calls of which a party is not heard now. */
  get count(): number {
    return Array.from(this.#silent.values()).filter(({ now }) => now.length > 0).length;
  }

  withoutMedia(callId: string, parties: readonly string[]): void {
    const known = this.#silent.get(callId) ?? { now: [], told: new Set<string>() };
    const isNews = parties.some((party) => !known.told.has(party));
    for (const party of parties) known.told.add(party);
    if (known.told.size === 0) return;
    known.now = [...parties];
    this.#silent.set(callId, known);
    if (isNews) this.#alarms.raise('no-media', { callId }, { parties: known.now });
  }

  callEnded(callId: string): void {
    this.#silent.delete(callId);
  }
}
