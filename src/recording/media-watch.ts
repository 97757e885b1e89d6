import type { Clock, Timer } from '../clock.ts';
import type { Bridge, MediaSigns } from './interfaces.ts';

export interface MediaWatchSettings {
  readonly watchMs: number;
  /** Receiver reports that may stay out, while media is sent, before a recorder counts as deaf. */
  readonly silenceReports: number;
  /** However far apart they are: so long at most, as what is not confirmed must still be in the ring. */
  readonly silenceMsMax: number;
  /** Loss, as receiver reports tell it, from which media counts as not arriving. */
  readonly lossFraction: number;
  /** Reports in a row with that much loss. */
  readonly lossReports: number;
}

/** What signs mean. All but `doubted` is told again and again while it is so. `since`: Unix ms. */
export interface MediaWatchListener {
  /** Between two reports of its recorder, in ms, as other sessions have shown; 0: it does not report. */
  reportsEveryMs(recordId: string): number | undefined;
  /** ICMP proves that the recorder's port is closed. */
  refused(recordId: string, since: number): void;
  /** Reports are late, or ICMP says so without a proof: the recorder should be asked at once. */
  doubted(recordId: string): void;
  lost(recordId: string, reason: Loss, since: number): void;
  /** It was lost, and is not any more. */
  well(recordId: string): void;
  /** Nothing could be seen. */
  blind(error: unknown): void;
}

/** As in `weigh`: a report may be this late. */
const lateness = 1.5;
const slackMs = 100;
/** Before the distance of its reports is known from the session itself, what is known from others counts. */
const reportsToKnow = 3;
/** Longest packet time in use; less media than this says means that the stream itself has paused. */
const packetMsMax = 60;
const packetMsUsual = 20;
/** RFC 3550 section 6.2. */
const intervalMsUsual = 5_000;
/** What the kernel does not take for a moment is no sign. */
const unsendableMs = 200;

type Loss = 'rtcp_silence' | 'rtcp_loss' | 'unsendable';

interface Watched {
  firstAt: number;
  firstReports: number;
  reports: number;
  lossy: number;
  lossySince: number;
  doubtedAt: number;
  lateTold: boolean;
  lost: Loss | undefined;
}

/** Looks at the signs of all recording sessions, several times a second. */
export class MediaWatch {
  readonly #bridge: Pick<Bridge, 'mediaSigns'>;
  readonly #clock: Clock;
  readonly #settings: MediaWatchSettings;
  readonly #listener: MediaWatchListener;
  readonly #watched = new Map<string, Watched>();
  #timer: Timer | undefined;

  constructor(
    bridge: Pick<Bridge, 'mediaSigns'>,
    clock: Clock,
    settings: MediaWatchSettings,
    listener: MediaWatchListener,
  ) {
    this.#bridge = bridge;
    this.#clock = clock;
    this.#settings = settings;
    this.#listener = listener;
  }

  start(): void {
    this.#timer = this.#clock.setTimeout(() => {
      try {
        this.#look();
      } catch (error) {
        this.#listener.blind(error);
      }
      this.start();
    }, this.#settings.watchMs);
  }

  close(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const all = this.#bridge.mediaSigns();
    for (const [recordId, signs] of all) this.#judge(recordId, signs);
    for (const recordId of this.#watched.keys()) {
      if (!all.has(recordId)) this.#watched.delete(recordId);
    }
  }

  #judge(recordId: string, signs: MediaSigns): void {
    const known = this.#watched.get(recordId) ?? firstSight(signs);
    this.#watched.set(recordId, known);
    if (signs.refusedAt > 0) {
      this.#listener.refused(recordId, signs.refusedAt);
      return;
    }
    if (signs.doubtedAt > known.doubtedAt) {
      known.doubtedAt = signs.doubtedAt;
      this.#listener.doubted(recordId);
    }
    if (signs.unsendableAt > 0) {
      if (this.#clock.now() - signs.unsendableAt < unsendableMs) return;
      this.#tell(recordId, known, 'unsendable', signs.unsendableAt);
      return;
    }
    if (known.lost === 'unsendable') this.#well(recordId, known);
    if (signs.receiverReports !== known.reports) this.#heard(recordId, known, signs);
    else this.#missed(recordId, known, signs);
  }

  #heard(recordId: string, known: Watched, signs: MediaSigns): void {
    known.reports = signs.receiverReports;
    known.lateTold = false;
    if (known.firstAt === 0) {
      known.firstAt = signs.reportedAt;
      known.firstReports = signs.receiverReports;
    }
    if (signs.fractionLost < this.#settings.lossFraction) {
      known.lossy = 0;
      if (known.lost !== undefined) this.#well(recordId, known);
      return;
    }
    if (known.lossy === 0) known.lossySince = signs.reportedAt;
    known.lossy += 1;
    if (known.lossy < this.#settings.lossReports) return;
    known.lossy = 0;
    this.#tell(recordId, known, 'rtcp_loss', known.lossySince);
  }

  #missed(recordId: string, known: Watched, signs: MediaSigns): void {
    const intervalMs = this.#intervalMs(recordId, known, signs);
    if (intervalMs === undefined || signs.sendingSince === 0) return;
    const { silenceReports, silenceMsMax } = this.#settings;
    const heardAt = Math.max(signs.reportedAt, signs.sendingSince);
    const silentMs = this.#clock.now() - heardAt;
    // Without packets there is nothing to report on (RFC 3550 6.4).
    const sending = signs.sentSinceReport * packetMsMax >= silentMs;
    // Speech with pauses is never long in one piece: then it counts how much of it nobody reported on.
    const unheardMs = Math.min(
      signs.sentSinceReport * packetMsUsual,
      this.#clock.now() - signs.reportedAt,
    );
    const lateMs = intervalMs * lateness + slackMs;
    const deafMs = Math.min(intervalMs * silenceReports + slackMs, Math.max(silenceMsMax, lateMs));
    if ((sending && silentMs > deafMs) || unheardMs > deafMs) {
      this.#tell(
        recordId,
        known,
        'rtcp_silence',
        signs.reportedAt > 0 ? signs.reportedAt : heardAt,
      );
    } else if (sending && silentMs > lateMs && !known.lateTold) {
      known.lateTold = true;
      this.#listener.doubted(recordId);
    }
  }

  /** Undefined: it is not known to report. */
  #intervalMs(recordId: string, known: Watched, signs: MediaSigns): number | undefined {
    const reports = signs.receiverReports - known.firstReports;
    if (known.firstAt > 0 && reports >= reportsToKnow) {
      return (signs.reportedAt - known.firstAt) / reports;
    }
    const everyMs = this.#listener.reportsEveryMs(recordId) ?? 0;
    if (everyMs > 0) return everyMs;
    // One that has reported once reports: it is not known how often, but seldom more seldom than that.
    return signs.receiverReports > 0 ? intervalMsUsual : undefined;
  }

  #tell(recordId: string, known: Watched, reason: Loss, since: number): void {
    known.lost = reason;
    this.#listener.lost(recordId, reason, since);
  }

  #well(recordId: string, known: Watched): void {
    known.lost = undefined;
    this.#listener.well(recordId);
  }
}

function firstSight({ reportedAt, receiverReports }: MediaSigns): Watched {
  return {
    firstAt: reportedAt,
    firstReports: receiverReports,
    reports: receiverReports,
    lossy: 0,
    lossySince: 0,
    doubtedAt: 0,
    lateTold: false,
    lost: undefined,
  };
}
