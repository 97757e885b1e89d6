import assert from 'node:assert';
import { loadAddon } from '../../src/edge/addon.ts';
import { bye, receiverReport, senderReport, sourceDescription } from '../support/rtcp-fixtures.ts';
import { rtp } from '../support/rtp-fixtures.ts';
import { extendedReport, lossRle } from '../support/xr.ts';
import { mutate } from './mutate.ts';
import { generator } from './random.ts';

const rtpSeeds = [
  rtp({ sequence: 1 }),
  rtp({ sequence: 65_535, payload: Buffer.alloc(0) }),
  Buffer.concat([
    Buffer.from([0xb2]),
    rtp({ sequence: 9 }).subarray(1, 12),
    Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0xbe, 0xde, 0, 1, 1, 2, 3, 4, 99, 98, 0, 2]),
  ]),
  Buffer.concat([
    Buffer.from([0x90]),
    rtp({ sequence: 2 }).subarray(1, 12),
    Buffer.from([0xbe, 0xde, 0, 2, 0x10, 1, 0x20, 2, 0, 0, 0, 0, 7]),
  ]),
];
const rtcpSeeds = [
  Buffer.concat([
    senderReport(1, 2, { ssrc: 3 }, { ssrc: 4, cumulativeLost: -5 }),
    sourceDescription(1, 'someone@example'),
    bye(1),
  ]),
  Buffer.concat([receiverReport(1, { ssrc: 3 }), sourceDescription(1, 'x')]),
  receiverReport(9),
  // About the SSRC that the judging of reports is fuzzed with.
  Buffer.concat([
    receiverReport(9, { ssrc: 3, highestSequence: 40 }),
    extendedReport(
      9,
      lossRle(3, 0, 60, [{ run: 30, came: true }, { bits: Array<boolean>(15).fill(true) }]),
      lossRle(3, 100, 65_000, [
        { run: 16_000, came: true },
        { run: 16_000, came: false },
      ]),
    ),
  ]),
];

/**
 * Mutated RTP and RTCP through the packet path's own code, for that many seconds. Inputs that were taken breed further
 * ones. A crash or a sanitizer ends the process; the last input is not lost, since the seed makes it again.
 */
export function fuzzRtp(seconds: number, seed: number): { executions: number } {
  const addon = loadAddon();
  const random = generator(seed);
  const corpora = [
    { parse: (input: Buffer) => addon.fuzzRtp(input), inputs: [...rtpSeeds] },
    { parse: (input: Buffer) => addon.fuzzRtcp(input), inputs: [...rtcpSeeds] },
  ];
  for (const { parse, inputs } of corpora) for (const input of inputs) assert(parse(input));
  const endsAt = Date.now() + seconds * 1_000;
  let executions = 0;
  while (Date.now() < endsAt) {
    for (let i = 0; i < 200; ++i) {
      const { parse, inputs } = corpora[i % corpora.length]!;
      const pick = () => inputs[random(inputs.length)]!;
      const input = mutate(pick(), pick(), random);
      executions += 1;
      if (!parse(input) || random(20) !== 0) continue;
      if (inputs.length < 500) inputs.push(input);
      else inputs[rtpSeeds.length + random(inputs.length - rtpSeeds.length)] = input;
    }
  }
  return { executions };
}
