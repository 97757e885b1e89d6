import { messageOf, TandemError } from './errors.ts';

const usage = `usage: tandem COMMAND [OPTIONS]

  serve      all of it, kept alive                             [--config FILE] [--forget]
  control    HTTP API, forks, recording sessions, by itself    [--help]
  recorder   the reference recorder: SIPREC in, files out      [--help]
  demo       a recorded call, and a recorder that dies in it   [--help]
  merge      recordings of one call united into one            [--help]
`;

const [command, ...args] = process.argv.slice(2);

try {
  process.exitCode = await run(command, args);
} catch (error) {
  const code = error instanceof TandemError ? `${error.code}: ` : '';
  process.stderr.write(`tandem ${command ?? ''}: ${code}${messageOf(error)}\n`);
  process.exitCode = 1;
}

/** A process loads what its command needs: a recorder has no use for mediasoup. */
async function run(name: string | undefined, rest: string[]): Promise<number> {
  switch (name) {
    case 'serve':
      return (await import('./serve.ts')).runServe(rest);
    case 'control':
      return (await import('./control-command.ts')).runControl(rest);
    case 'recorder':
      return (await import('./recorder/command.ts')).runRecorderCommand(rest);
    case 'demo':
      return (await import('./demo/command.ts')).runDemo(rest);
    case 'merge':
      return (await import('./merge/command.ts')).runMerge(rest);
    default:
      process.stderr.write(usage);
      return name === undefined || name === '--help' ? 0 : 2;
  }
}
