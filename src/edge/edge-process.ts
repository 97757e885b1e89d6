import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, open, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, TandemError } from '../errors.ts';
import { edgeProgramPath } from './addon.ts';
import { clockOffset } from './clock-offset.ts';
import { EdgeClient } from './edge-client.ts';
import { killEdge, memoryFileOf } from './edge-group.ts';
import type { EdgeProcessOptions } from './edge-process-types.ts';
import { checkEdgeOptions, checkHangMs, checkNiceness, checkOrphanMs } from './validate.ts';

/** The folder is for its owner alone: whoever may write there could be taken for the edge. */
const ownerOnly = 0o700;
const othersBits = 0o077;
/** For a new edge to open its sockets, and for all of it together. */
const readyMs = 15_000;
const againMs = 20;
/** Of what the program says of itself: one line. */
const reportBytesMax = 4_096;

export interface FoundEdge {
  readonly client: EdgeClient;
  /** False: it was there, with what an earlier control has left in it. */
  readonly isNew: boolean;
}

/**
 * The edge of a state directory: the one that runs, whatever it was started with, or a new one. It is nobody's child: it outlives who
 * starts it.
 *
 * Throws EDGE_VERSION, naming its process, where one runs that speaks another version; EDGE_FAILED where it hangs, or naming the option
 * or what the system said where none can be started.
 */
export async function startOrFindEdge(options: EdgeProcessOptions): Promise<FoundEdge> {
  checkEdgeOptions(options.edge);
  checkOrphanMs('orphanMs', options.orphanMs);
  if (options.hangMs !== undefined) checkHangMs('hangMs', options.hangMs);
  if (options.nice !== undefined) checkNiceness('nice', options.nice);
  const stateDir = resolve(options.stateDir);
  await makeStateDir(stateDir);
  const socketPath = join(stateDir, 'edge.sock');
  const signal = AbortSignal.timeout(readyMs);
  for (let isNew = false; ;) {
    const client = await connectIfAny(socketPath);
    if (client !== undefined) return { client, isNew };
    if (signal.aborted) throw failed(socketPath, new Error('nobody listens'));
    const isStarted = await startEdge(options, stateDir, socketPath);
    // One that others have just started listens before long, and one that is dying holds its place for a moment.
    if (!isStarted) await delay(againMs);
    isNew ||= isStarted;
  }
}

/** Ends the edge of a state directory, and its calls with RTCP BYE; one that does not answer is killed. Nothing is left then. */
export async function endEdge(stateDir: string): Promise<void> {
  try {
    const client = await connectIfAny(join(resolve(stateDir), 'edge.sock'));
    await client?.shutdown();
    client?.close();
  } catch {
    // It hangs, or it is one that knows other words.
  }
  killEdge(stateDir);
}

async function makeStateDir(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: ownerOnly });
    const { mode } = await stat(path);
    if ((mode & othersBits) !== 0) await chmod(path, ownerOnly);
  } catch (cause) {
    throw new TandemError('EDGE_FAILED', `the state directory: ${messageOf(cause)}`, {
      cause,
      details: { path },
    });
  }
}

async function connectIfAny(socketPath: string): Promise<EdgeClient | undefined> {
  try {
    return await EdgeClient.connect(socketPath);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error instanceof TandemError ? error : failed(socketPath, error);
  }
}

/** Nobody is there, or was just dying, or has got another control in the same moment. */
function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'EDGE_LOST';
}

function failed(socketPath: string, cause: unknown): TandemError {
  return new TandemError('EDGE_FAILED', `the edge cannot be reached: ${messageOf(cause)}`, {
    cause,
    details: { socketPath },
  });
}

/** False where another one was quicker. */
async function startEdge(
  {
    edge,
    orphanMs,
    hangMs,
    nice,
    fatalHost,
    hangHost,
    program = edgeProgramPath(),
  }: EdgeProcessOptions,
  stateDir: string,
  socketPath: string,
): Promise<boolean> {
  const { ports, ring } = edge;
  const args = Object.entries({
    socket: socketPath,
    threads: edge.threads,
    'port-min': ports.min,
    'port-max': ports.max,
    'ring-seconds': ring.seconds,
    'ring-bytes': ring.bytes,
    'catch-up-rate': edge.catchUpRate,
    'rtcp-interval-ms': edge.rtcpIntervalMs,
    cname: edge.cname,
    memory: edge.memoryFile ?? memoryFileOf(stateDir),
    'orphan-ms': orphanMs,
    'clock-offset-ms': clockOffset(),
    ...(hangMs !== undefined && { 'hang-ms': hangMs }),
    ...(nice !== undefined && { nice }),
    ...(fatalHost !== undefined && { 'fatal-host': fatalHost }),
    ...(hangHost !== undefined && { 'hang-host': hangHost }),
  }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const hosts = edge.legHosts.flatMap((host) => ['--leg-host', host]);
  const log = await open(join(stateDir, 'edge.log'), 'a', 0o600);
  try {
    const child = spawn(program, [...args, ...hosts], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', log.fd],
    });
    const report = await reportOf(child, program);
    child.unref();
    if (report.code === undefined) return true;
    if (report.code === 'EDGE_HELD') return false;
    throw new TandemError('EDGE_FAILED', `the edge does not start: ${report.message}`, {
      details: { program },
    });
  } finally {
    await log.close();
  }
}

interface ProgramReport {
  /** Absent when it is ready. */
  readonly code?: string;
  readonly message?: string;
}

/** The one line that the program says. */
async function reportOf(child: ChildProcess, program: string): Promise<ProgramReport> {
  let said = '';
  const ended = new Promise<void>((resolveEnd) => {
    const { stdout } = child;
    stdout?.setEncoding('utf8');
    stdout?.on('data', (text: string) => {
      said += text;
      if (said.includes('\n') || said.length > reportBytesMax) resolveEnd();
    });
    stdout?.on('close', resolveEnd);
    child.on('error', (error) => {
      said = `${JSON.stringify({ code: 'EDGE_FAILED', message: error.message })}\n`;
      resolveEnd();
    });
  });
  const stopWaiting = new AbortController();
  const isLate = delay(readyMs, true, { signal: stopWaiting.signal }).catch(() => false);
  const timedOut = await Promise.race([ended.then(() => false), isLate]);
  stopWaiting.abort();
  child.stdout?.destroy();
  if (timedOut) child.kill('SIGKILL');
  try {
    return JSON.parse(said) as ProgramReport;
  } catch (cause) {
    const message = timedOut ? 'it is not ready in time' : `it said nothing that is known: ${said}`;
    throw new TandemError('EDGE_FAILED', `the edge does not start: ${message}`, {
      cause,
      details: { program },
    });
  }
}
