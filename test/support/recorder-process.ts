import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RecorderReady } from '../../src/recorder/command.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** What tests read of a `recording.json`. */
export interface RecordingDocument {
  readonly recordId: string;
  readonly endReason: string;
  readonly verdict: string;
  readonly streams: readonly {
    readonly label: string;
    readonly party: { readonly aor: string; readonly name?: string } | null;
    readonly verdict: string;
    readonly refused?: Readonly<Record<string, number>>;
    readonly packets: number;
    readonly lostPackets: number;
    readonly codecs: Readonly<Record<string, number>>;
  }[];
  readonly notRecorded?: readonly { readonly label: string; readonly protocol: string }[];
  readonly capture: {
    readonly bytes: number;
    readonly failed?: string;
    readonly restored?: number;
  };
  readonly wav: { readonly file: string | null; readonly channels?: number };
}

/** A real `tandem recorder` in a process of its own. */
export class RecorderProcess {
  readonly uri: string;
  readonly port: number;
  /** Holds `recordings/` and the log. */
  readonly dir: string;
  readonly recordings: string;
  readonly child: ChildProcess;
  /** Exit code, or the signal that killed it. */
  readonly exited: Promise<number | NodeJS.Signals | null>;

  private constructor(uri: string, dir: string, recordings: string, child: ChildProcess) {
    this.uri = uri;
    this.port = Number(/:(\d+)(?:;|$)/.exec(uri)?.[1]);
    this.dir = dir;
    this.recordings = recordings;
    this.child = child;
    this.exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as never);
  }

  /** @param flags beyond a free SIP port and its folder; a flag given twice counts as given last */
  static async start(
    flags: readonly string[] = [],
    dir = mkdtempSync(join(tmpdir(), 'tandem-recorder-')),
    recordings = join(dir, 'recordings'),
  ): Promise<RecorderProcess> {
    const standard = ['--sip-port', '0', '--dir', recordings, '--ports', '30000-32000'];
    const child = fork(main, ['recorder', ...standard, ...flags], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const log = join(dir, 'recorder.log');
    child.stderr?.pipe(createWriteStream(log, { flags: 'a' }));
    const ready = once(child, 'message').then(([message]) => message as RecorderReady);
    const died = once(child, 'exit').then(() => {
      throw new Error(`the recorder did not start:\n${readFileSync(log, 'utf8')}`);
    });
    const { uri } = await Promise.race([ready, died]);
    died.catch(() => undefined);
    return new RecorderProcess(uri, dir, recordings, child);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  uriOver(transport: 'udp' | 'tcp'): string {
    return `sip:127.0.0.1:${this.port};transport=${transport}`;
  }

  folder(recordId: string): string {
    return join(this.recordings, recordId);
  }

  /** Resolves when the folder is whole. */
  async recording(recordId: string): Promise<RecordingDocument> {
    const file = join(this.folder(recordId), 'recording.json');
    const partial = join(this.folder(recordId), 'recording.partial.json');
    await until(() => existsSync(file) && !existsSync(partial), `${recordId} is whole`);
    return JSON.parse(readFileSync(file, 'utf8')) as RecordingDocument;
  }

  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | NodeJS.Signals | null> {
    if (this.child.exitCode === null) this.child.kill('SIGTERM');
    return this.exited;
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Looks again until `condition` holds; the test's own timeout bounds it, `what` is for whoever debugs it. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const startedAt = performance.now();
  while (!condition()) {
    if (performance.now() - startedAt > 50_000) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
