import type { Clock, Timer } from '../clock.ts';
import { parties } from './interfaces.ts';
import type { Bridge, MediaSigns, Party, StreamSigns } from './interfaces.ts';

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

/** One stream of a recording session. */
interface WatchedStream {
  firstAt: number;
  firstReports: number;
  signs: StreamSigns;
  /** Media, as time, that was sent since the last report. */
  unheardMs: number;
  /** Reports in a row that say that much is lost. */
  lossy: number;
  lossySince: number;
  lateTold: boolean;
  lost: Loss | undefined;
}

interface Watched {
  readonly streams: Map<Party, WatchedStream>;
  /** On any stream, ever. */
  hasReported: boolean;
  lookedAt: number;
  doubtedAt: number;
  /** `lost` was told, and `well` was not. */
  lost: boolean;
}

interface Sign {
  readonly reason: Loss;
  readonly since: number;
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
    const now = this.#clock.now();
    const known = this.#watched.get(recordId) ?? firstSight(now);
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
      if (now - signs.unsendableAt < unsendableMs) return;
      this.#tell(recordId, known, { reason: 'unsendable', since: signs.unsendableAt });
      return;
    }
    const told = this.#judgeStreams(recordId, known, signs.streams);
    known.lookedAt = now;
    if (told.length > 0) {
      for (const sign of told) this.#tell(recordId, known, sign);
    } else if (known.lost && [...known.streams.values()].every(({ lost }) => lost === undefined)) {
      known.lost = false;
      this.#listener.well(recordId);
    }
  }

  /** What is to be told of the streams together. */
  #judgeStreams(recordId: string, known: Watched, all: MediaSigns['streams']): Sign[] {
    const told: Sign[] = [];
    const heard = new Set<Party>();
    for (const party of parties) {
      const signs = all[party];
      if (signs === undefined) known.streams.delete(party);
      else if (this.#isNews(known, party, signs)) heard.add(party);
      if (signs !== undefined && signs.receiverReports > 0) known.hasReported = true;
    }
    let isLate = false;
    for (const [party, stream] of known.streams) {
      const sign = heard.has(party)
        ? this.#heard(stream)
        : this.#missed(stream, this.#intervalMs(recordId, known, stream));
      if (sign === 'late') isLate = true;
      else if (sign !== undefined) told.push(sign);
    }
    if (told.length === 0 && isLate) this.#listener.doubted(recordId);
    // What was missed of both was missed since the earlier.
    return told.sort((left, right) => left.since - right.since);
  }

  /** Takes the signs down; whether there is a new report among them. */
  #isNews(known: Watched, party: Party, signs: StreamSigns): boolean {
    const now = this.#clock.now();
    const stream = known.streams.get(party);
    if (stream === undefined) {
      known.streams.set(party, firstSightOf(signs, now));
      return false;
    }
    const before = stream.signs;
    const isNews = signs.receiverReports !== before.receiverReports;
    const sent = isNews ? signs.sentSinceReport : signs.sentSinceReport - before.sentSinceReport;
    // A replay is sent faster than it was spoken, and packets may be shorter: no more passed than time did.
    const sinceMs = now - (isNews ? signs.reportedAt : known.lookedAt);
    const sentMs = Math.max(0, Math.min(sent * packetMsUsual, sinceMs));
    stream.unheardMs = isNews ? sentMs : stream.unheardMs + sentMs;
    stream.signs = signs;
    if (stream.firstAt === 0) {
      stream.firstAt = signs.reportedAt;
      stream.firstReports = signs.receiverReports;
    }
    return isNews;
  }

  #heard(stream: WatchedStream): Sign | undefined {
    const { reportedAt, fractionLost } = stream.signs;
    stream.lateTold = false;
    if (fractionLost < this.#settings.lossFraction) {
      stream.lossy = 0;
      stream.lost = undefined;
      return undefined;
    }
    if (stream.lossy === 0) stream.lossySince = reportedAt;
    stream.lossy += 1;
    if (stream.lossy < this.#settings.lossReports) return undefined;
    stream.lossy = 0;
    stream.lost = 'rtcp_loss';
    return { reason: stream.lost, since: stream.lossySince };
  }

  #missed(stream: WatchedStream, intervalMs: number | undefined): Sign | 'late' | undefined {
    const { reportedAt, sendingSince, sentSinceReport } = stream.signs;
    if (intervalMs === undefined || sendingSince === 0) return undefined;
    const { silenceReports, silenceMsMax } = this.#settings;
    const heardAt = Math.max(reportedAt, sendingSince);
    const silentMs = this.#clock.now() - heardAt;
    // Without packets there is nothing to report on (RFC 3550 6.4).
    const sending = sentSinceReport * packetMsMax >= silentMs;
    const lateMs = intervalMs * lateness + slackMs;
    const deafMs = Math.min(intervalMs * silenceReports + slackMs, Math.max(silenceMsMax, lateMs));
    // Speech with pauses is never long in one piece: then it counts how much of it nobody reported on.
    if ((sending && silentMs > deafMs) || stream.unheardMs > deafMs) {
      stream.lost = 'rtcp_silence';
      return { reason: stream.lost, since: reportedAt > 0 ? reportedAt : heardAt };
    }
    if (!sending || silentMs <= lateMs || stream.lateTold) return undefined;
    stream.lateTold = true;
    return 'late';
  }

  /** Undefined: it is not known to report. One that reports on a stream reports on the other, and as often. */
  #intervalMs(recordId: string, known: Watched, stream: WatchedStream): number | undefined {
    const others = [...known.streams.values()].filter((other) => other !== stream);
    const ofSessionMs = [stream, ...others].map(intervalMsOf).find((ms) => ms !== undefined);
    if (ofSessionMs !== undefined) return ofSessionMs;
    const everyMs = this.#listener.reportsEveryMs(recordId) ?? 0;
    if (everyMs > 0) return everyMs;
    // One that has reported once reports: it is not known how often, but seldom more seldom than that.
    return known.hasReported ? intervalMsUsual : undefined;
  }

  #tell(recordId: string, known: Watched, { reason, since }: Sign): void {
    known.lost = true;
    this.#listener.lost(recordId, reason, since);
  }
}

function intervalMsOf({ firstAt, firstReports, signs }: WatchedStream): number | undefined {
  const reports = signs.receiverReports - firstReports;
  return firstAt > 0 && reports >= reportsToKnow
    ? (signs.reportedAt - firstAt) / reports
    : undefined;
}

function firstSight(now: number): Watched {
  return { streams: new Map(), hasReported: false, lookedAt: now, doubtedAt: 0, lost: false };
}

function firstSightOf(signs: StreamSigns, now: number): WatchedStream {
  const { reportedAt, receiverReports, sendingSince, sentSinceReport } = signs;
  const sendingMs = sendingSince === 0 ? 0 : now - Math.max(reportedAt, sendingSince);
  return {
    firstAt: reportedAt,
    firstReports: receiverReports,
    signs,
    unheardMs: Math.min(sentSinceReport * packetMsUsual, sendingMs),
    lossy: 0,
    lossySince: 0,
    lateTold: false,
    lost: undefined,
  };
}
