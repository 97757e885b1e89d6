import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { embeddedRecorderId, type Config } from './config.ts';
import type { ProcessSpec } from './supervisor/managed-process.ts';
import type { Command } from './supervisor/system-processes.ts';

export interface ProcessSpecsOptions {
  readonly config: Config;
  /** As given; control reads it by itself. */
  readonly configFile: string | undefined;
  /** Where processes say who they are. */
  readonly socket: string;
}

/** For the last BYE and the answer to it, once what is in the rings was sent. */
const controlStopMs = 30_000;
/** For sessions that are left, and files to be made whole. */
const recorderStopMs = 15_000;

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

/** What `tandem serve` keeps alive. */
export function processSpecs(options: ProcessSpecsOptions): ProcessSpec[] {
  const { embedded } = options.config.recorders;
  const count = embedded?.count ?? 0;
  return [
    controlSpec(options),
    ...Array.from({ length: count }, (_, index) => recorderSpec(options, index)),
  ];
}

/** In turn, as they are dealt out to embedded recorders. */
export function zoneOf(config: Config, recorder: string): string {
  const zones = config.recorders.embedded?.zones ?? [];
  const index = Number(recorder.slice(1)) - 1;
  return zones[index % zones.length] ?? 'default';
}

function controlSpec({ config, configFile, socket }: ProcessSpecsOptions): ProcessSpec {
  return {
    role: 'control',
    id: 'control',
    registers: true,
    restart: config.supervisor.restart,
    stopMs: controlStopMs + config.recording.drainMs,
    command: (facts) =>
      tandem(
        'control',
        ...(configFile === undefined ? [] : ['--config', configFile]),
        ...['--supervisor', socket],
        ...(facts?.role === 'control'
          ? ['--http-port', String(facts.httpPort), '--sip-port', String(facts.sipPort)]
          : []),
      ),
  };
}

function recorderSpec({ config, socket }: ProcessSpecsOptions, index: number): ProcessSpec {
  const { embedded } = config.recorders;
  if (embedded === undefined) throw new Error('there are no embedded recorders');
  const { capacity, count, dir, ports, restart } = embedded;
  const id = embeddedRecorderId(index);
  const share = Math.floor((ports.max - ports.min + 1) / count);
  const firstPort = ports.min + index * share;
  return {
    role: 'recorder',
    id,
    registers: true,
    restart,
    stopMs: recorderStopMs,
    command: (facts) =>
      tandem(
        'recorder',
        ...['--id', id],
        ...['--supervisor', socket],
        ...['--orphan-ms', String(config.state.orphanMs)],
        ...['--host', config.media.host],
        ...['--sip-port', facts?.role === 'recorder' ? sipPortOf(facts.uri) : '0'],
        ...['--dir', join(dir, id)],
        ...['--ports', `${firstPort}-${firstPort + share - 1}`],
        ...['--capacity', String(capacity)],
        ...['--rtcp-interval', String(config.media.rtcpIntervalMs)],
        ...['--log-level', config.log.level],
      ),
  };
}

function tandem(...args: string[]): Command {
  return { file: process.execPath, args: [...process.execArgv, main, ...args] };
}

function sipPortOf(uri: string): string {
  return /:(\d+)(?:;|$)/.exec(uri)?.[1] ?? '0';
}
