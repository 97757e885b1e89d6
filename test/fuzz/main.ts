import { parseArgs } from 'node:util';
import { fuzzChannel } from './channel.ts';
import { fuzzMemory } from './memory.ts';
import { fuzzRtp } from './rtp.ts';
import { fuzzSip } from './sip.ts';

/**
 * `npm run fuzz -- --seconds N [--seed S]`: the parsers of RTP, RTCP, SIP and the edge's channel, and what reads an edge's memory, on
 * mutated input, with the sanitizers under the native ones. Exits with 1, and the seed, at the first input that a parser does not survive.
 */

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
  },
});
const sliceSeconds = 5;
const parsers = {
  'RTP and RTCP': fuzzRtp,
  SIP: fuzzSip,
  channel: fuzzChannel,
  memory: fuzzMemory,
};
const executions = new Map<string, number>();
const endsAt = Date.now() + Number(values.seconds) * 1_000;
let seed = Number(values.seed);

try {
  while (Date.now() < endsAt) {
    // What ends the process says no more than where.
    process.stderr.write(`seed ${seed}\n`);
    for (const [name, fuzz] of Object.entries(parsers)) {
      const left = Math.max(0.1, (endsAt - Date.now()) / 1_000);
      const ran = fuzz(Math.min(sliceSeconds, left), seed);
      executions.set(name, (executions.get(name) ?? 0) + ran.executions);
    }
    seed += 1;
    const counts = [...executions].map(([name, count]) => `${name} ${count.toLocaleString('en')}`);
    process.stderr.write(`inputs so far: ${counts.join(', ')}\n`);
  }
  process.stdout.write(`nothing found; seeds ${values.seed} to ${seed - 1}\n`);
} catch (error) {
  process.stderr.write(`found with seed ${seed}:\n`);
  throw error;
}
