import { parseArgs } from 'node:util';
import { runSoak } from './soak/command.ts';
import { runFailover } from './failover/command.ts';
import { runThroughput } from './throughput/command.ts';

const usage = `usage: npm run bench -- throughput|failover|soak [OPTIONS]

  throughput   CPU per packet, loss, delay and memory, beside a bare fork   [--help]
  failover     what recorders' faults cost, the files on disk against what was sent   [--help]
  soak         what thousands of short calls leave behind, while recorders are killed   [--help]
`;

const [command, ...args] = process.argv.slice(2);

try {
  process.exitCode = await run(command, args);
} catch (error) {
  const isUsage = error instanceof TypeError && 'code' in error;
  process.stderr.write(`bench: ${isUsage ? error.message : String((error as Error).stack)}\n`);
  process.exitCode = isUsage ? 2 : 1;
}

async function run(name: string | undefined, rest: string[]): Promise<number> {
  switch (name) {
    case 'throughput':
      return runThroughput(rest);
    case 'failover':
      return runFailover(rest);
    case 'soak':
      return runSoak(rest);
    default:
      // Checks that nothing else stands there, so that a mistyped option is named.
      if (name?.startsWith('-') === true) parseArgs({ args: [name], options: {} });
      process.stderr.write(usage);
      return name === undefined ? 0 : 2;
  }
}
