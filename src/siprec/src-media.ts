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

/**
 * The m-lines of one recording session, seen from the SRC. An m-line keeps its place for the life of the dialog
 * (RFC 3264 section 8): a stream that goes away leaves its line behind with port 0.
 */
export class SrcMedia {
  readonly #local: LocalMedia;
  /** By m-line: the stream as last known. */
  readonly #lines: RecordedStream[] = [];
  #present = new Set<Party>();
  #paused = false;

  constructor(local: LocalMedia) {
    this.#local = local;
  }

  get streams(): readonly RecordedStream[] {
    return this.#lines.filter(({ party }) => this.#present.has(party));
  }

  get paused(): boolean {
    return this.#paused;
  }

  set(streams: readonly RecordedStream[], paused: boolean): void {
    this.#paused = paused;
    this.#present = new Set(streams.map(({ party }) => party));
    for (const stream of [...streams].sort((x, y) => x.index - y.index)) {
      const at = this.#lines.findIndex(({ party }) => party === stream.party);
      if (at < 0) this.#lines.push(stream);
      else this.#lines[at] = stream;
    }
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
      return this.#line(stream, wants(line), line.removed === true);
    });
  }

  /** Where the recorder wants each stream, by its offer or answer. */
  recorderMedia(lines: readonly MediaLine[], before: RecorderMedia = {}): RecorderMedia {
    const media: Partial<Record<Party, MediaAddress>> = { ...before };
    for (const [position, line] of lines.entries()) {
      const party = this.#lines[position]?.party;
      if (party === undefined) continue;
      Reflect.deleteProperty(media, party);
      // While we are paused the recorder can only say inactive: its address still counts.
      const wanted = line.address !== undefined && (this.#paused || wants(line));
      if (wanted && this.#present.has(party)) media[party] = line.address;
    }
    return media;
  }

  #line(stream: RecordedStream, wanted: boolean, removed = false): MediaLine {
    const { party, payloads, ptimeMs } = stream;
    const present = this.#present.has(party) && !removed;
    return {
      mediaType: 'audio',
      protocol: 'RTP/AVP',
      label: labelOf(stream),
      direction: present && wanted && !this.#paused ? 'sendonly' : 'inactive',
      ...(present ? { address: this.#local[party] } : {}),
      formats: formatsOf(payloads),
      payloads,
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
  return answer;
}
