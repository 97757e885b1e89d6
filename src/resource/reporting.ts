import type { ReportingHabit } from '../recording/interfaces.ts';
import type { ReportsPolicy } from './recorder.ts';

/** RFC 3550 6.2: the minimum interval, for who is not known to do otherwise. */
const intervalMsAssumed = 5_000;
const intervalMsMin = 20;
const intervalMsMax = 60_000;
/** RFC 3550 6.3.1: the first report is due well within this time. */
const silentMsMin = 5_000;
const silentSessions = 3;
/** Of so many sessions the middle one tells. */
const sessionsKept = 15;
/** Fewer reports say that it reports, and hardly how often. */
const reportsTelling = 3;

/**
 * Learns from sessions that are over whether and how often a recorder reports. One that has ever reported is expected to: that
 * its reports stay out is what tells of media that does not arrive, in however many sessions.
 */
export class ReportingRecord {
  readonly #intervalsMs: number[] = [];
  #silent = 0;

  note({ reports, sentMs }: ReportingHabit): void {
    if (reports > 0) {
      const meanMs = sentMs / reports;
      // When few came, some may have come early: the first at half the interval (RFC 3550 6.2), the last with the BYE.
      const tellsLess = reports < reportsTelling;
      const intervalMs = tellsLess ? Math.max(meanMs, intervalMsAssumed) : meanMs;
      if (tellsLess && intervalMs <= (this.#middleMs() ?? 0)) return;
      if (this.#intervalsMs.length >= sessionsKept) this.#intervalsMs.shift();
      this.#intervalsMs.push(Math.min(Math.max(intervalMs, intervalMsMin), intervalMsMax));
    } else if (sentMs >= silentMsMin) {
      this.#silent += 1;
    }
  }

  /** Undefined: not known. 0: it does not report. `knownMs`: what is known without having seen it. */
  everyMs(policy: ReportsPolicy, knownMs?: number): number | undefined {
    if (policy === 'none') return 0;
    if (knownMs !== undefined) return knownMs;
    const middleMs = this.#middleMs();
    if (middleMs !== undefined) return Math.round(middleMs);
    if (policy === 'expected') return intervalMsAssumed;
    return this.#silent >= silentSessions ? 0 : undefined;
  }

  #middleMs(): number | undefined {
    const sorted = [...this.#intervalsMs].sort((left, right) => left - right);
    return sorted[Math.floor(sorted.length / 2)];
  }
}
