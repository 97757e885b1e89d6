import { readFileSync } from 'node:fs';

const RECORD_BYTES = 24;

/** What the load generator's parties sent, by stream, in the order of its numbers. */
export class SentLog {
  /** Unix ms by number; NaN for a packet that the kernel did not take. */
  readonly sentAt: readonly Float64Array[];
  readonly packets: number;

  private constructor(sentAt: readonly Float64Array[], packets: number) {
    this.sentAt = sentAt;
    this.packets = packets;
  }

  /** @param before Unix ms; what was sent later does not count */
  static read(file: string, streams: number, before = Infinity): SentLog {
    const log = readFileSync(file);
    const records = Math.floor(log.length / RECORD_BYTES);
    const counts = new Array<number>(streams).fill(0);
    const each = (visit: (stream: number, number: number, sentAt: number) => void): void => {
      for (let record = 0; record < records; record++) {
        const at = record * RECORD_BYTES;
        const sentAt = Number(log.readBigUInt64LE(at + 16)) / 1e6;
        if (sentAt < before) visit(log.readUInt32LE(at), log.readUInt32LE(at + 4), sentAt);
      }
    };
    each((stream, number) => {
      counts[stream] = Math.max(counts[stream]!, number + 1);
    });
    const sentAt = counts.map((count) => new Float64Array(count).fill(NaN));
    let packets = 0;
    each((stream, number, at) => {
      sentAt[stream]![number] = at;
      packets += 1;
    });
    return new SentLog(sentAt, packets);
  }
}
