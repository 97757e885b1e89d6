import type { Clock, Timer } from '../clock.ts';
import type { Bridge, MediaSigns } from './interfaces.ts';

export interface MediaWatchSettings {
  readonly watchMs: number;
  /** Receiver reports that may stay out, while media is sent, before a recorder counts as deaf. */
  readonly silenceReports: number;
  /** Loss, as receiver reports tell it, from which media counts as not arriving. */
  readonly lossFraction: number;
  /** Reports in a row with that much loss. */
  readonly lossReports: number;
}

export interface MediaWatchListener {
  /** Reports that used to come are late: the recorder should be asked at once. Told once a silence. */
  late(recordId: string): void;
  /** They stay out. `since`: the last one, Unix ms. */
  silent(recordId: string, since: number): void;
  /** They say that media does not arrive. */
  losing(recordId: string, since: number): void;
}

/** As in `weigh`: a report may be this late. */
const lateness = 1.5;
const slackMs = 100;
/** Before the distance of reports is known they are not missed. */
const reportsToKnow = 3;
/** Shortest packet time in use; less media than this says means that the stream itself has paused. */
const packetMsMax = 60;

interface Watched {
  readonly firstAt: number;
  readonly firstReports: number;
  reports: number;
  lossy: number;
  lossySince: number;
  lateTold: boolean;
}

/** Looks at the receiver reports of all recording sessions, several times a second. */
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
      this.#look();
      this.start();
    }, this.#settings.watchMs);
  }

  close(): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const all = this.#bridge.mediaSigns();
    for (const [recordId, signs] of all) {
      if (signs.receiverReports > 0) this.#judge(recordId, signs);
    }
    for (const recordId of this.#watched.keys()) {
      if (!all.has(recordId)) this.#watched.delete(recordId);
    }
  }

  #judge(recordId: string, signs: MediaSigns): void {
    const known = this.#watched.get(recordId);
    if (known === undefined) {
      this.#watched.set(recordId, {
        firstAt: signs.reportedAt,
        firstReports: signs.receiverReports,
        reports: signs.receiverReports,
        lossy: 0,
        lossySince: 0,
        lateTold: false,
      });
      return;
    }
    if (signs.receiverReports !== known.reports) this.#heard(recordId, known, signs);
    else this.#missed(recordId, known, signs);
  }

  #heard(recordId: string, known: Watched, signs: MediaSigns): void {
    known.reports = signs.receiverReports;
    known.lateTold = false;
    if (signs.fractionLost < this.#settings.lossFraction) {
      known.lossy = 0;
      return;
    }
    if (known.lossy === 0) known.lossySince = signs.reportedAt;
    known.lossy += 1;
    if (known.lossy < this.#settings.lossReports) return;
    known.lossy = 0;
    this.#listener.losing(recordId, known.lossySince);
  }

  #missed(recordId: string, known: Watched, signs: MediaSigns): void {
    const reports = signs.receiverReports - known.firstReports;
    if (reports < reportsToKnow) return;
    const intervalMs = (signs.reportedAt - known.firstAt) / reports;
    const silentMs = this.#clock.now() - signs.reportedAt;
    // Without packets there is nothing to report on (RFC 3550 6.4).
    const sending = signs.sentSinceReport * packetMsMax >= silentMs;
    if (!sending) return;
    if (silentMs > intervalMs * this.#settings.silenceReports + slackMs) {
      this.#listener.silent(recordId, signs.reportedAt);
    } else if (silentMs > intervalMs * lateness + slackMs && !known.lateTold) {
      known.lateTold = true;
      this.#listener.late(recordId);
    }
  }
}
