import { describe, expect, it } from 'vitest';
import { loadAddon } from '../../../src/edge/addon.ts';
import type { ReportsTrace } from '../../../src/edge/addon.ts';
import { receiverReport } from '../../support/rtcp-fixtures.ts';
import { RtpReceiver } from '../../support/rtp-receiver.ts';
import { extendedReport, lossRle } from '../../support/xr.ts';

const ssrc = 0x0102_0304;
const cycle = 65_536;
const addon = loadAddon();

const numbers = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** What is sent to a recorder that counts as RFC 3550 does, packet by packet: `come` is left out of what arrives. */
class Story {
  readonly #steps: (number | Buffer | null)[] = [];
  readonly #receiver = new RtpReceiver();
  readonly came = new Set<number>();
  readonly sent = new Set<number>();

  send(packets: readonly number[], comes: (number: number) => boolean = () => true): this {
    for (const number of packets) {
      this.#steps.push(cycle + number);
      this.sent.add(cycle + number);
      if (!comes(number)) continue;
      this.#receiver.receive(number & 0xffff);
      this.came.add(cycle + number);
    }
    return this;
  }

  /** One that was sent before, comes now. */
  late(number: number): this {
    this.#receiver.receive(number & 0xffff);
    this.came.add(cycle + number);
    return this;
  }

  report(): this {
    return this.say(this.#receiver.report(ssrc)!);
  }

  say(rtcp: Buffer): this {
    this.#steps.push(rtcp);
    return this;
  }

  moves(): this {
    this.#steps.push(null);
    return this;
  }

  all(): ReportsTrace[] {
    return addon.traceReports(ssrc, this.#steps);
  }

  last(): ReportsTrace {
    return this.all().at(-1)!;
  }
}

const shown = (ranges: readonly (readonly [number, number])[]): string =>
  ranges.map(([first, last]) => `${first - cycle}-${last - cycle}`).join(' ');

/** Begun, and all that was sent up to 100 reported once: from there on counts can be compared. */
const begun = (): Story => new Story().send(numbers(1, 100)).report();

describe('receiver reports', () => {
  it('prove an interval of which as many packets came as were sent, not what came before the first report', () => {
    const after = begun().send(numbers(101, 200)).report().last();
    expect(shown(after.confirmed)).toBe('101-200');
    expect(after).toMatchObject({ fractionLost: 0, atLeast: 0, atMost: 99, denied: [] });
  });

  it('may begin with a packet that was sent after higher ones, and the only one that came', () => {
    const first = receiverReport(9, { ssrc, highestSequence: 99, cumulativeLost: 0 });
    const after = new Story().send([101, 99]).say(first).last();
    expect(after).toMatchObject({ highest: cycle + 99, fractionLost: 0, atLeast: 0, atMost: 0 });
  });

  it.each([
    ['that the sender left', [...numbers(101, 140), ...numbers(171, 200)], '101-140 171-200'],
    [
      'of which a sender makes one a packet',
      numbers(1, 50).map((n) => 100 + 2 * n),
      numbers(1, 50)
        .map((n) => `${100 + 2 * n}-${100 + 2 * n}`)
        .join(' '),
    ],
  ])('hold no gap against the recorder %s', (_, sent, confirmed) => {
    const after = begun().send(sent).report().last();
    expect(shown(after.confirmed)).toBe(confirmed);
    expect(after).toMatchObject({ fractionLost: 0, atLeast: 0 });
  });

  it('say that a recorder is deaf when they go on and nothing comes of what was on its way', () => {
    const none = (): boolean => false;
    const deaf = begun()
      // On its way as the first report comes; only the second could tell of it.
      .send(numbers(101, 105), none)
      .report()
      .send(numbers(106, 110), none)
      .report()
      .send(numbers(111, 115))
      .report()
      .all();
    expect(deaf.map(({ isDeaf }) => isDeaf)).toEqual([false, false, true, false]);
  });

  it('say nothing of the recorder while nothing is sent', () => {
    const story = begun().send([101], () => false);
    const silent = story.report().report().report().all();
    expect(silent.map(({ isDeaf }) => isDeaf)).toEqual([false, false, false, false]);
  });

  it('tell of loss by what was sent since the report before', () => {
    const [, second, third] = begun()
      .send(numbers(101, 200), (number) => number % 10 !== 5)
      .report()
      .send(numbers(201, 300), (number) => number % 4 !== 1)
      .report()
      .all();
    expect(second).toMatchObject({ fractionLost: 0.1, confirmed: [], atLeast: 10 });
    expect(third).toMatchObject({ fractionLost: 0.25, confirmed: [], atLeast: 35 });
  });

  it('do not let copies that the sender made stand for packets that were lost', () => {
    // Each tenth packet twice; each tenth lost.
    const sent = numbers(101, 200).flatMap((n) => (n % 10 === 0 ? [n, n] : [n]));
    const after = begun()
      .send(sent, (number) => number % 10 !== 5)
      .report()
      .last();
    expect(after).toMatchObject({ confirmed: [], atLeast: 0 });
    // 99 of the first interval, and ten here.
    expect(after.atMost).toBeGreaterThanOrEqual(109);
    expect(after.fractionLost).toBeGreaterThan(0.05);
  });

  it('prove that of packets which all were sent twice one copy came, if one copy in all is missing', () => {
    let copies = 0;
    const twice = numbers(101, 200).flatMap((n) => [n, n]);
    const after = begun()
      .send(twice, () => (copies += 1) !== 77)
      .report()
      .last();
    expect(shown(after.confirmed)).toBe('101-200');
  });

  it('prove nothing of an interval in which the recorder began to count anew after a gap', () => {
    const story = begun().send(numbers(101, 200)).report();
    // A pause of a minute; after it the first hundred packets are lost.
    story.send(numbers(3_301, 3_500), (number) => number > 3_400).report();
    const after = story.last();
    expect(shown(after.confirmed)).toBe('101-200');
    expect(after).toMatchObject({ atLeast: 0, fractionLost: 0 });
    expect(after.atMost).toBeGreaterThanOrEqual(99 + 100);
    expect(shown(story.send(numbers(3_501, 3_600)).report().last().confirmed)).toBe(
      '101-200 3501-3600',
    );
  });

  it('prove nothing where an outage on the way may have made it count anew', () => {
    const after = begun()
      .send(numbers(101, 4_000), (number) => number < 150 || number > 3_400)
      .report()
      .last();
    expect(after.confirmed).toEqual([]);
  });

  it('prove nothing where another receiver begins to report under the same address', () => {
    const other = (highestSequence: number) => receiverReport(7, { ssrc, highestSequence });
    const story = begun().send(numbers(101, 200)).say(other(200));
    expect(story.last().confirmed).toEqual([]);
    story.send(numbers(201, 300)).say(other(300));
    expect(shown(story.last().confirmed)).toBe('201-300');
  });

  it('confirm what was missing, when it came late', () => {
    const story = begun().send(numbers(101, 200), (number) => number !== 150);
    const [, missing, found] = story.report().late(150).send(numbers(201, 300)).report().all();
    expect(missing).toMatchObject({ confirmed: [], atLeast: 1 });
    expect(found).toMatchObject({ atLeast: 0 });
    expect(shown(found!.confirmed)).toBe('101-300');
  });

  it('are not deceived by a late packet that comes in the place of a lost one', () => {
    const story = begun()
      .send(numbers(101, 200), (number) => number !== 199)
      .report()
      .late(199)
      .send(numbers(201, 300), (number) => number !== 250)
      .report();
    expect(story.last()).toMatchObject({ confirmed: [], atLeast: 1, atMost: 100 });
    // What follows is beyond doubt, once a second interval is without loss.
    story.send(numbers(301, 400)).report().send(numbers(401, 500)).report();
    expect(shown(story.last().confirmed)).toBe('301-500');
  });

  it.each([
    ['more lost than was sent', { cumulativeLost: 0x7f_ffff, highestSequence: 200 }],
    ['a number that was never sent', { cumulativeLost: 0, highestSequence: 5_000 }],
    ['more received than was sent', { cumulativeLost: -5_000, highestSequence: 200 }],
  ])('that lie are bound by what was sent: %s', (_, fields) => {
    const story = begun().send(numbers(101, 200));
    const after = story.say(receiverReport(99, { ssrc, ...fields })).last();
    expect(after.confirmed).toEqual([]);
    expect(after.atMost).toBeLessThanOrEqual(200);
    expect(after.fractionLost ?? 0).toBeLessThanOrEqual(1);
  });

  it('say nothing of what is older than they are, and are not asked about another stream', () => {
    const story = begun().send(numbers(101, 200)).report();
    const stale = receiverReport(99, { ssrc, highestSequence: 150, cumulativeLost: 40 });
    const foreign = receiverReport(99, { ssrc: 5, highestSequence: 200, cumulativeLost: 40 });
    const [, , third, fourth] = story.say(stale).say(foreign).all();
    for (const each of [third, fourth]) {
      expect(each).not.toHaveProperty('highest');
      expect(shown(each!.confirmed)).toBe('101-200');
    }
  });

  it('of a recorder that moved its media begin anew', () => {
    const moved = new RtpReceiver();
    const story = begun().moves().send(numbers(101, 200));
    for (const number of numbers(120, 200)) moved.receive(number);
    story.say(moved.report(ssrc)!);
    expect(story.last()).toMatchObject({ confirmed: [], atLeast: 0, atMost: 99 + 99 });
  });
});

describe('reports by range', () => {
  const xr = (...blocks: Buffer[]) => extendedReport(99, ...blocks);

  it('are exact about each number they name', () => {
    const bits = [true, false, true, true, false, ...Array<boolean>(10).fill(true)];
    const after = new Story()
      .send([...numbers(1, 45), ...numbers(50, 70)])
      .say(
        xr(
          lossRle(ssrc, 1, 66, [
            { run: 30, came: true },
            { bits },
            { run: 4, came: false },
            { run: 16, came: true },
          ]),
        ),
      )
      .last();
    expect(after).toMatchObject({ reportsRanges: true, atLeast: 0, atMost: 0 });
    expect(shown(after.confirmed)).toBe('1-31 33-34 36-45 50-65');
    expect(shown(after.denied)).toBe('32-32 35-35');
  });

  it('are mapped to the numbers that were sent, around the circle', () => {
    const after = new Story()
      .send(numbers(65_500, 65_600))
      .say(xr(lossRle(ssrc, 65_500, 65_601, [{ run: 101, came: true }])))
      .last();
    expect(shown(after.confirmed)).toBe('65500-65600');
  });

  it('take back that a packet was missing when it came late, and never that it came', () => {
    const story = new Story().send(numbers(1, 10));
    story.say(
      xr(
        lossRle(ssrc, 1, 11, [
          { run: 5, came: true },
          { run: 5, came: false },
        ]),
      ),
    );
    story.say(
      xr(
        lossRle(ssrc, 1, 11, [
          { run: 2, came: false },
          { run: 6, came: true },
        ]),
      ),
    );
    const [first, second] = story.all();
    expect([shown(first!.confirmed), shown(first!.denied)]).toEqual(['1-5', '6-10']);
    expect([shown(second!.confirmed), shown(second!.denied)]).toEqual(['1-8', '9-10']);
  });

  it('keep counts from proving anything', () => {
    const story = begun().say(xr(lossRle(ssrc, 1, 101, [{ run: 100, came: true }])));
    const after = story.send(numbers(101, 200)).report().last();
    expect(shown(after.confirmed)).toBe('1-100');
    expect(after).toMatchObject({ atLeast: 0, atMost: 0 });
  });

  it.each([
    ['thinned', xr(lossRle(ssrc, 1, 11, [{ run: 10, came: true }], 1))],
    ['about another stream', xr(lossRle(ssrc + 1, 1, 11, [{ run: 10, came: true }]))],
    ['about what was not sent', xr(lossRle(ssrc, 500, 600, [{ run: 100, came: true }]))],
    ['naming nothing', xr(lossRle(ssrc, 1, 11, []))],
    ['empty', xr(lossRle(ssrc, 1, 1, [{ run: 10, came: true }]))],
  ])('prove nothing: %s', (_, packet) => {
    const after = new Story().send(numbers(1, 100)).say(packet).last();
    expect(after).toMatchObject({ reportsRanges: false, confirmed: [], denied: [] });
  });

  it('leave open what their chunks do not reach', () => {
    const after = new Story()
      .send(numbers(1, 100))
      .say(xr(lossRle(ssrc, 1, 101, [{ run: 40, came: true }])))
      .last();
    expect([shown(after.confirmed), after.denied]).toEqual(['1-40', []]);
  });
});

describe('whatever sender and network do', () => {
  it.each(numbers(1, 60))('no packet is confirmed that did not come (seed %i)', (seed) => {
    let state = seed * 2_654_435_761;
    const random = (): number => (state = (state * 48_271 + 11) % 2_147_483_647) / 2_147_483_647;
    const loss = [0, 0.002, 0.02, 0.3][seed % 4]!;
    const copies = [0, 0.01, 0.5, 1][Math.floor(seed / 4) % 4]!;
    const jumps = seed % 3 === 0 ? 0.0005 : 0;
    const swaps = seed % 5 === 0 ? 0.02 : 0;
    const story = new Story();
    const delayed: number[] = [];
    let number = Math.floor(random() * 60_000);
    for (let sent = 0; sent < 6_000; ++sent) {
      number += random() < jumps ? 2_900 + Math.floor(random() * 300) : random() < 0.01 ? 3 : 1;
      const pair = random() < swaps ? [number + 1, number] : [number];
      number = pair[0]!;
      const packets = pair.flatMap((each) => (random() < copies ? [each, each] : [each]));
      story.send(packets, (each) => {
        if (random() < loss) return false;
        if (swaps === 0 || random() > 0.002) return true;
        delayed.push(each);
        return false;
      });
      if (delayed.length > 0 && random() < 0.2) story.late(delayed.shift()!);
      if (sent % 250 === 249) story.report();
    }
    const after = story.last();
    for (const [first, last] of after.confirmed) {
      for (const each of numbers(first, last)) {
        if (!story.came.has(each)) expect.fail(`${each - cycle} is confirmed`);
      }
    }
    const confirmed = after.confirmed.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    const reported = [...story.sent].filter((each) => each <= after.highest!);
    const lost = reported.filter((each) => !story.came.has(each)).length;
    expect(after.atLeast).toBeLessThanOrEqual(lost);
    expect(after.atMost).toBeGreaterThanOrEqual(lost);
    // Nothing lost and nothing unusual: all but the first interval is confirmed.
    if (loss === 0 && jumps === 0 && swaps === 0 && copies === 0)
      expect(reported.length - confirmed).toBeLessThanOrEqual(260);
  });
});
