import type {
  MediaAddress,
  Party,
  RecordedStream,
  RecorderMedia,
} from '../recording/interfaces.ts';
import { formatsOf } from './sdp.ts';
import type { MediaLine } from './sdp.ts';
import { labelOf } from './snapshot.ts';

type LocalMedia = Readonly<Record<Party, MediaAddress>>;

/** What we ask every recorder for, if it knows how: which packets it received (RFC 3611 sections 4.1, 4.2, 5.1). */
const rangeReports = ['pkt-loss-rle', 'pkt-dup-rle'];
/** Beside the audio, never alone. */
const auxiliary = /^(?:telephone-event|CN)$/i;

/** What is on the table: answers are read by what was there when the recorder was asked. */
export interface Wish {
  readonly streams: readonly RecordedStream[];
  readonly present: ReadonlySet<Party>;
  readonly paused: boolean;
}

/** All of it as plain data. */
export interface SrcMediaSnapshot {
  /** By m-line: the stream as last known. */
  readonly lines: readonly RecordedStream[];
  readonly present: readonly Party[];
  readonly paused: boolean;
}

/**
 * The m-lines of one recording session, seen from the SRC. An m-line keeps its place for the life of the dialog
 * (RFC 3264 section 8): a stream that goes away leaves its line behind with port 0.
 */
export class SrcMedia {
  readonly #local: LocalMedia;
  /** By m-line: the stream as last known. */
  readonly #lines: RecordedStream[] = [];
  #wish: Wish = { streams: [], present: new Set(), paused: false };

  constructor(local: LocalMedia) {
    this.#local = local;
  }

  static ofSnapshot(local: LocalMedia, { lines, present, paused }: SrcMediaSnapshot): SrcMedia {
    const media = new SrcMedia(local);
    media.#lines.push(...lines);
    media.#wish = { streams: [...lines], present: new Set(present), paused };
    return media;
  }

  snapshot(): SrcMediaSnapshot {
    const { present, paused } = this.#wish;
    return { lines: [...this.#lines], present: [...present], paused };
  }

  get streams(): readonly RecordedStream[] {
    return this.#lines.filter(({ party }) => this.#wish.present.has(party));
  }

  set(streams: readonly RecordedStream[], paused: boolean): void {
    for (const stream of [...streams].sort((x, y) => x.index - y.index)) {
      const at = this.#lines.findIndex(({ party }) => party === stream.party);
      if (at < 0) this.#lines.push(stream);
      else this.#lines[at] = stream;
    }
    const present = new Set(streams.map(({ party }) => party));
    this.#wish = { streams: [...this.#lines], present, paused };
  }

  get wish(): Wish {
    return this.#wish;
  }

  /** What we offer: every stream `sendonly`, or `inactive` while paused. */
  offer(): MediaLine[] {
    return this.#lines.map((stream) => this.#line(stream, true));
  }

  /** Our answer to an offer of the recorder: never more than it asks for. */
  answer(offer: readonly MediaLine[]): MediaLine[] {
    return offer.map((line, position) => {
      const stream = this.#lines[position];
      if (stream === undefined) return refused(line);
      const { payloads } = stream;
      const common = payloads.filter(({ payloadType }) => listed(line).has(payloadType));
      const answered = common.length === 0 ? stream : { ...stream, payloads: common };
      return this.#line(answered, wants(line), line.removed === true);
    });
  }

  /**
   * Why media as in these lines of the recorder, an answer to our offer or an offer, could not be sent: it is not ours to encrypt,
   * nor to make other payloads of it.
   * @returns undefined when all is well
   */
  unusable(lines: readonly MediaLine[], { streams }: Wish): string | undefined {
    for (const [position, line] of lines.entries()) {
      const stream = streams[position];
      if (stream === undefined || line.removed === true) continue;
      const at = `m-line ${String(position)}: `;
      if (line.mediaType !== 'audio') return `${at}${line.mediaType} instead of audio`;
      if (!/^RTP\/AVPF?$/i.test(line.protocol)) return `${at}${line.protocol} instead of RTP/AVP`;
      const audio = stream.payloads.filter(({ encodingName }) => !auxiliary.test(encodingName));
      const needed = audio.length === 0 ? stream.payloads : audio;
      if (!needed.some(({ payloadType }) => listed(line).has(payloadType)))
        return `${at}none of the payload types that are sent: ${line.formats}`;
    }
    return undefined;
  }

  /**
   * Where the recorder wants each stream.
   * @param before what stays where the lines pass a stream over: nothing in an answer, all in an offer of the recorder
   */
  recorderMedia(lines: readonly MediaLine[], wish: Wish, before: RecorderMedia): RecorderMedia {
    const media: Partial<Record<Party, MediaAddress>> = { ...before };
    for (const [position, line] of lines.entries()) {
      const party = wish.streams[position]?.party;
      if (party === undefined) continue;
      Reflect.deleteProperty(media, party);
      // While we are paused the recorder can only say inactive: its address still counts.
      const wanted = line.address !== undefined && (wish.paused || wants(line));
      if (wanted && wish.present.has(party)) media[party] = line.address;
    }
    return media;
  }

  #line(stream: RecordedStream, wanted: boolean, removed = false): MediaLine {
    const { party, payloads, ptimeMs } = stream;
    const present = this.#wish.present.has(party) && !removed;
    return {
      mediaType: 'audio',
      protocol: 'RTP/AVP',
      label: labelOf(stream),
      direction: present && wanted && !this.#wish.paused ? 'sendonly' : 'inactive',
      ...(present ? { address: this.#local[party] } : {}),
      formats: formatsOf(payloads),
      payloads,
      ...(present ? { rtcpXr: rangeReports } : {}),
      ...(ptimeMs === undefined ? {} : { ptimeMs }),
    };
  }
}

function wants({ address, direction }: MediaLine): boolean {
  return address !== undefined && (direction === 'recvonly' || direction === 'sendrecv');
}

function refused(line: MediaLine): MediaLine {
  const answer: MediaLine = { ...line, direction: 'inactive' };
  Reflect.deleteProperty(answer, 'address');
  Reflect.deleteProperty(answer, 'rtcpXr');
  return answer;
}

function listed({ formats }: MediaLine): ReadonlySet<number> {
  return new Set(formats.split(/\s+/).map(Number));
}
