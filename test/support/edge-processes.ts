import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { EdgeClient } from '../../src/edge/edge-client.ts';
import type { SequenceRange } from '../../src/edge/types.ts';
import type { EdgeCall } from './edge-call.ts';
import { processesOf, until } from './edge-state.ts';
import { rtpRun, sequenceOf, ssrcOf } from './rtp-fixtures.ts';

/** The three of an edge, by what they do. */
export class EdgeProcesses {
  readonly #group: number;

  constructor(group: number) {
    this.#group = group;
  }

  workers(): number[] {
    return this.#named('tandem-edge');
  }

  keepers(): number[] {
    return this.#named('edge-keeper');
  }

  async kill(pid: number): Promise<void> {
    process.kill(pid, 'SIGKILL');
    await this.isWholeWithout(pid);
  }

  /** As long as nobody ends it or lets it go on, it does nothing. */
  async hang(pid: number): Promise<void> {
    process.kill(pid, 'SIGSTOP');
    await this.isWholeWithout(pid);
  }

  /** All three are there, and `pid` is not among them. */
  async isWholeWithout(pid: number): Promise<void> {
    await until('three processes', () => {
      const [workers, keepers] = [this.workers(), this.keepers()];
      return (
        workers.length === 1 && keepers.length === 2 && ![...workers, ...keepers].includes(pid)
      );
    });
  }

  #named(name: string): number[] {
    return processesOf(this.#group)
      .filter((each) => each.name === name)
      .map(({ pid }) => pid);
  }
}

const cycle = 65_536;
const from = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);

const numbersOf = (ranges: readonly SequenceRange[]): number[] =>
  ranges.flatMap(({ first, last }) => from(first, last - first + 1));

/** Packets of the first party, while `disturb` does its worst; each is heard and recorded once, in its place. */
export async function loseNothing(
  client: EdgeClient,
  { parties: [party, other], recorder, port, forkId }: EdgeCall,
  disturb: (sent: () => number) => Promise<void>,
): Promise<void> {
  const packets = rtpRun(1, 4_000);
  let sent = 0;
  const disturbed = { isOver: false };
  const disturbance = disturb(() => sent).finally(() => {
    disturbed.isOver = true;
  });
  for (; sent < packets.length; sent += 5) {
    await party.send(port.rtp, ...packets.slice(sent, sent + 5));
    // No more than sockets hold: what their buffers drop is not what this is about.
    while (sent - other.received.length > 150) await delay(1);
    if (!disturbed.isOver) await delay(2);
  }
  await disturbance;
  for (const { received } of [other, recorder]) {
    await until('all packets', () => received.length >= packets.length);
    expect(received.map(sequenceOf)).toEqual(from(1, packets.length));
    expect(new Set(received.map(ssrcOf)).size).toBe(1);
  }
  const [stream] = client.streamReports([port.portId]);
  expect(stream).toMatchObject({ packets: packets.length, ssrc: port.ssrc, duplicates: 0 });
  expect(numbersOf(stream!.received)).toEqual(from(cycle + 1, packets.length));
  await until('the account of the fork', () => {
    const [fork] = client.forkReports([forkId]);
    return fork!.sentPackets === packets.length;
  });
  const [fork] = client.forkReports([forkId]);
  expect(numbersOf(fork!.sent)).toEqual(from(cycle + 1, packets.length));
}
