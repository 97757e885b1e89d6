import { runDemo } from './demo/command.ts';
import { messageOf, TandemError } from './errors.ts';
import { runRecorderCommand } from './recorder/command.ts';
import { runServe } from './serve.ts';

const usage = `usage: tandem COMMAND [OPTIONS]

  serve      the bridge: HTTP API, forks, recording sessions   [--config FILE]
  recorder   the reference recorder: SIPREC in, files out      [--help]
  demo       a recorded call, and a recorder that dies in it   [--help]
`;

const [command, ...args] = process.argv.slice(2);

try {
  process.exitCode = await run(command, args);
} catch (error) {
  const code = error instanceof TandemError ? `${error.code}: ` : '';
  process.stderr.write(`tandem ${command ?? ''}: ${code}${messageOf(error)}\n`);
  process.exitCode = 1;
}

function run(name: string | undefined, rest: string[]): Promise<number> {
  switch (name) {
    case 'serve':
      return runServe(rest);
    case 'recorder':
      return runRecorderCommand(rest);
    case 'demo':
      return runDemo(rest);
    default:
      process.stderr.write(usage);
      return Promise.resolve(name === undefined || name === '--help' ? 0 : 2);
  }
}
