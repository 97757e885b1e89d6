import { A_LAW, decodeG711, MU_LAW } from './g711.ts';
import { G722Decoder } from './g722-decoder.ts';

/** Sample rate of what can be decoded, by encoding name. G.722's RTP clock says 8000 all the same (RFC 3551 4.5.2). */
export const DECODABLE: ReadonlyMap<string, number> = new Map([
  ['PCMU', 8_000],
  ['PCMA', 8_000],
  ['G722', 16_000],
]);

/** In the stream but not speech to be decoded. */
export const NOT_SPEECH: ReadonlySet<string> = new Set(['TELEPHONE-EVENT', 'CN']);

/** Packets held back so that a late one is still decoded in order: G.722 carries its state from packet to packet. */
const REORDER_PACKETS = 16;

interface Waiting {
  readonly sequence: number;
  readonly at: number;
  readonly payload: Uint8Array;
}

/** Decodes one SSRC's packets to `sampleRate` and puts them out with their place in samples. */
export class SpeechDecoder {
  readonly #sampleRate: number;
  readonly #put: (at: number, samples: Int16Array) => void;
  #g722 = new G722Decoder();
  #waiting: Waiting[] = [];
  #decoded = -Infinity;
  /** Last sample put out at 8 kHz, from which upsampling goes on. */
  #previous = 0;

  constructor(sampleRate: number, put: (at: number, samples: Int16Array) => void) {
    this.#sampleRate = sampleRate;
    this.#put = put;
  }

  /** @param at place of the first sample, in samples of `sampleRate` */
  push(encodingName: string, sequence: number, at: number, payload: Uint8Array): void {
    if (encodingName === 'PCMU') this.#put(at, this.#fit(decodeG711(MU_LAW, payload)));
    else if (encodingName === 'PCMA') this.#put(at, this.#fit(decodeG711(A_LAW, payload)));
    else if (encodingName === 'G722') this.#pushG722({ sequence, at, payload });
  }

  /** A new time line: nothing of the one before is carried over. */
  restart(): void {
    this.flush();
    this.#g722 = new G722Decoder();
    this.#decoded = -Infinity;
  }

  flush(): void {
    for (const packet of this.#waiting) this.#decodeG722(packet);
    this.#waiting = [];
  }

  #pushG722(packet: Waiting): void {
    if (packet.sequence <= this.#decoded) {
      // Too late for its place in line; a decoder of its own is right after a few samples.
      this.#put(packet.at, new G722Decoder().decode(packet.payload));
      return;
    }
    const before = this.#waiting.findLastIndex(({ sequence }) => sequence < packet.sequence);
    this.#waiting.splice(before + 1, 0, { ...packet, payload: Uint8Array.from(packet.payload) });
    if (this.#waiting.length <= REORDER_PACKETS) return;
    const first = this.#waiting.shift();
    if (first !== undefined) this.#decodeG722(first);
  }

  #decodeG722({ sequence, at, payload }: Waiting): void {
    this.#decoded = sequence;
    this.#put(at, this.#g722.decode(payload));
  }

  /** 8 kHz into a 16 kHz recording: the samples between are the mean of their neighbours. */
  #fit(samples: Int16Array): Int16Array {
    if (this.#sampleRate === 8_000) return samples;
    const doubled = new Int16Array(samples.length * 2);
    for (const [index, sample] of samples.entries()) {
      doubled[2 * index] = (this.#previous + sample) >> 1;
      doubled[2 * index + 1] = sample;
      this.#previous = sample;
    }
    return doubled;
  }
}
