/** ITU-T G.722 at 64 kbit/s (mode 1): one byte to two samples at 16 kHz. Names of blocks are the Recommendation's. */

const QM2 = Int32Array.of(-7408, -1616, 7408, 1616);
const QM4 = Int32Array.of(
  ...[0, -20456, -12896, -8968, -6288, -4240, -2584, -1200],
  ...[20456, 12896, 8968, 6288, 4240, 2584, 1200, 0],
);
const QM6 = Int32Array.of(
  ...[-136, -136, -136, -136, -24808, -21904, -19008, -16704],
  ...[-14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856],
  ...[-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576],
  ...[-3168, -2776, -2400, -2032, -1688, -1360, -1040, -728],
  ...[24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192],
  ...[10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456],
  ...[4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032],
  ...[1688, 1360, 1040, 728, 432, 136, -432, -136],
);
const WL = Int32Array.of(-60, -30, 58, 172, 334, 538, 1198, 3042);
const RL42 = Int32Array.of(0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0);
const WH = Int32Array.of(0, -214, 798);
const RH2 = Int32Array.of(2, 1, 2, 1);
const ILB = Int32Array.of(
  ...[2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774],
  ...[2834, 2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838],
  ...[3922, 4008],
);
const QMF = Int32Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11);

function at(table: Int32Array, index: number): number {
  return table[index] ?? 0;
}

function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}

function saturate(value: number): number {
  return clamp(value, -32768, 32767);
}

/** Adaptive predictor and quantiser scale of one sub-band. */
class Band {
  s = 0;
  nb = 0;
  det: number;
  #sz = 0;
  readonly #r = new Int32Array(3);
  readonly #a = new Int32Array(3);
  readonly #p = new Int32Array(3);
  readonly #d = new Int32Array(7);
  readonly #b = new Int32Array(7);

  constructor(det: number) {
    this.det = det;
  }

  /** LOGSCL and SCALEL (or LOGSCH and SCALEH). */
  scale(weight: number, nbMax: number, shiftBase: number): void {
    this.nb = clamp(((this.nb * 127) >> 7) + weight, 0, nbMax);
    const mantissa = at(ILB, (this.nb >> 6) & 31);
    const shift = shiftBase - (this.nb >> 11);
    this.det = (shift < 0 ? mantissa << -shift : mantissa >> shift) << 2;
  }

  /** Block 4: adapts the predictor to the difference and predicts the next sample. */
  adapt(difference: number): void {
    const [r, a, p, d, b] = [this.#r, this.#a, this.#p, this.#d, this.#b];
    d[0] = difference;
    r[0] = saturate(this.s + difference);
    p[0] = saturate(this.#sz + difference);

    // UPPOL2
    const sign0 = at(p, 0) >> 15;
    const sign1 = at(p, 1) >> 15;
    const sign2 = at(p, 2) >> 15;
    const doubled = saturate(at(a, 1) << 2);
    const moved = Math.min(sign0 === sign1 ? -doubled : doubled, 32767);
    const ap2 = clamp(
      (sign0 === sign2 ? 128 : -128) + (moved >> 7) + ((at(a, 2) * 32512) >> 15),
      -12288,
      12288,
    );
    // UPPOL1
    const limit = saturate(15360 - ap2);
    const step = sign0 === sign1 ? 192 : -192;
    const ap1 = clamp(saturate(step + ((at(a, 1) * 32640) >> 15)), -limit, limit);
    // UPZERO and DELAYA, from the oldest on
    const gain = difference === 0 ? 0 : 128;
    const sign = difference >> 15;
    for (let i = 6; i > 0; i -= 1) {
      const towards = at(d, i) >> 15 === sign ? gain : -gain;
      b[i] = saturate(towards + ((at(b, i) * 32640) >> 15));
    }
    for (let i = 6; i > 0; i -= 1) d[i] = at(d, i - 1);
    for (let i = 2; i > 0; i -= 1) {
      r[i] = at(r, i - 1);
      p[i] = at(p, i - 1);
    }
    a[1] = ap1;
    a[2] = ap2;
    // FILTEP, FILTEZ, PREDIC
    const sp = saturate(
      ((ap1 * saturate(2 * at(r, 1))) >> 15) + ((ap2 * saturate(2 * at(r, 2))) >> 15),
    );
    let sz = 0;
    for (let i = 6; i > 0; i -= 1) sz += (at(b, i) * saturate(2 * at(d, i))) >> 15;
    this.#sz = saturate(sz);
    this.s = saturate(sp + this.#sz);
  }
}

export class G722Decoder {
  readonly #low = new Band(32);
  readonly #high = new Band(8);
  /** Receive QMF history. */
  readonly #x = new Int32Array(24);

  decode(payload: Uint8Array): Int16Array {
    const samples = new Int16Array(payload.length * 2);
    for (let index = 0; index < payload.length; index += 1) {
      const code = payload[index] ?? 0;
      const low = this.#decodeLow(code & 0x3f);
      const high = this.#decodeHigh(code >> 6);
      const x = this.#x;
      x.copyWithin(0, 2);
      x[22] = low + high;
      x[23] = low - high;
      let first = 0;
      let second = 0;
      for (let i = 0; i < 12; i += 1) {
        second += at(x, 2 * i) * at(QMF, i);
        first += at(x, 2 * i + 1) * at(QMF, 11 - i);
      }
      samples[2 * index] = saturate(first >> 11);
      samples[2 * index + 1] = saturate(second >> 11);
    }
    return samples;
  }

  #decodeLow(code: number): number {
    const band = this.#low;
    const low = clamp(band.s + ((band.det * at(QM6, code)) >> 15), -16384, 16383);
    const difference = (band.det * at(QM4, code >> 2)) >> 15;
    band.scale(at(WL, at(RL42, code >> 2)), 18432, 8);
    band.adapt(difference);
    return low;
  }

  #decodeHigh(code: number): number {
    const band = this.#high;
    const difference = (band.det * at(QM2, code)) >> 15;
    const high = clamp(band.s + difference, -16384, 16383);
    band.scale(at(WH, at(RH2, code)), 22528, 10);
    band.adapt(difference);
    return high;
  }
}
