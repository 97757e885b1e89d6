import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Edge } from '../edge/edge.ts';
import type { CaptureStreamOptions, LatchPolicy, SocketAddress } from '../edge/types.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { MediaAddress, Payload } from '../recording/interfaces.ts';
import { senderOf } from '../siprec/metadata.ts';
import type {
  DeclinedLine,
  MetadataSnapshot,
  OfferedStream,
  RecordingSink,
} from '../siprec/srs-session.ts';
import type { FinishRequest } from './finish-recording.ts';
import { MEDIA_PARTIAL_FILE, METADATA_FILE, writeSession, writeWhole } from './session-file.ts';
import type {
  DeclinedStream,
  PartyName,
  SessionDescription,
  SessionStream,
} from './session-file.ts';

export interface RecorderSessionOptions {
  readonly recordId: string;
  readonly recorder: string;
  readonly folder: string;
  readonly sipCallId: string;
  readonly source: string;
  readonly host: string;
  readonly latch: LatchPolicy;
  readonly edge: Edge;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onEnded: (request: FinishRequest) => void;
  /** The session was refused after all, and its folder is gone. */
  readonly onAbandoned: () => void;
}

/** More than an offer may have. */
const DECLINED_MAX = 64;
/** A stream that is not sent yet, from nowhere. */
const nowhere: SocketAddress = { ip: '127.0.0.1', port: 9 };

interface Capture {
  readonly id: number;
  /** Position of the m-line to index of the capture's stream. */
  readonly indexes: ReadonlyMap<number, number>;
  readonly local: ReadonlyMap<number, MediaAddress>;
}

/** One recording session on disk: its folder, its capture, its metadata. */
export class RecorderSession implements RecordingSink {
  readonly #options: RecorderSessionOptions;
  readonly #startedAt: number;
  readonly #startedWallMs: number;
  readonly #streams: SessionStream[] = [];
  /** By stream, as the last offer has them: a label is scoped to the message that carries it. */
  readonly #labels: string[] = [];
  readonly #declined = new Map<number, DeclinedStream>();
  #sessionId: string | null = null;
  #metadataXml: Buffer | undefined;
  #capture: Capture | undefined;
  #captureFailed: string | undefined;

  private constructor(options: RecorderSessionOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#startedWallMs = options.clock.wallOf(this.#startedAt);
  }

  /** @throws TandemError CALL_EXISTS, STORAGE_FULL, STORAGE_UNWRITABLE */
  static create(options: RecorderSessionOptions): RecorderSession {
    try {
      mkdirSync(options.folder);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
        throw new TandemError('CALL_EXISTS', `there is a recording ${options.recordId}`, { cause });
      }
      throw storageError(cause);
    }
    return new RecorderSession(options);
  }

  get captureId(): number | undefined {
    return this.#capture?.id;
  }

  /** The errno of a capture that can be written no more, until `fail` tells of it. */
  get unnoticedFailure(): string | undefined {
    if (this.#capture === undefined || this.#captureFailed !== undefined) return undefined;
    return this.#options.edge.captureReport(this.#capture.id).failed;
  }

  /** When RTP came last, or when the session began: Unix ms. */
  get lastMediaAt(): number {
    const streams =
      this.#capture === undefined ? [] : this.#options.edge.captureReport(this.#capture.id).streams;
    return Math.max(this.#startedAt, ...streams.map(({ lastAt }) => lastAt ?? 0));
  }

  offered(streams: readonly OfferedStream[]): ReadonlyMap<number, MediaAddress> {
    if (this.#capture === undefined) return this.#open(streams).local;
    const capture = this.#capture;
    const { clock, edge } = this.#options;
    for (const { position, label, remote, active, reportRanges, payloads } of streams) {
      const index = capture.indexes.get(position);
      if (index === undefined) continue;
      this.#labels[index] = label;
      const stream = this.#activated(index, active);
      const known = stream.epochs.at(-1)?.payloads;
      if (JSON.stringify(known) !== JSON.stringify(payloads)) {
        const epochs = [...stream.epochs, { at: clock.wallOf(clock.now()), payloads }];
        this.#streams[index] = { ...stream, epochs };
      }
      if (remote !== undefined) {
        edge.setCaptureRemote(capture.id, index, { ...remote, reportRanges });
      }
    }
    this.#describeOnDisk();
    // Streams that a re-offer adds have no place in a capture that is open.
    return capture.local;
  }

  declined(lines: readonly DeclinedLine[]): void {
    const { clock, logger } = this.#options;
    const before = this.#declined.size;
    for (const { position, label, mediaType, protocol } of lines) {
      if (this.#declined.has(position) || this.#declined.size >= DECLINED_MAX) continue;
      const at = clock.wallOf(clock.now());
      this.#declined.set(position, { label, mediaType, protocol, at });
      logger.warn({ label, mediaType, protocol }, 'stream is offered and not recorded');
    }
    if (this.#declined.size > before) this.#describeOnDisk();
  }

  /** The edge had to make the capture again: somebody deleted it, and the other files with it. */
  restored(): void {
    this.#describeOnDisk();
    this.#writeMetadata();
  }

  snapshot({ xml, metadata }: MetadataSnapshot): void {
    this.#sessionId = metadata.sessions[0]?.sessionId ?? this.#sessionId;
    for (const [index, stream] of this.#streams.entries()) {
      const sender = senderOf(metadata, this.#labels[index] ?? stream.label);
      const nameId = sender?.nameIds[0];
      if (sender === undefined || nameId === undefined) continue;
      const { aor, name } = nameId;
      const party: PartyName = {
        aor,
        ...(name === undefined ? {} : { name }),
        participantId: sender.participantId,
      };
      this.#streams[index] = { ...stream, party };
    }
    this.#metadataXml = xml;
    this.#writeMetadata();
    this.#describeOnDisk();
  }

  /** The edge can write no more. */
  fail(errno: string): void {
    this.#captureFailed = errno;
  }

  ended(reason: string): void {
    const { clock, edge, folder, onEnded } = this.#options;
    const capture = this.#capture === undefined ? undefined : edge.closeCapture(this.#capture.id);
    this.#captureFailed ??= capture?.failed;
    if (capture !== undefined && capture.restored > 0) this.restored();
    onEnded({
      folder,
      session: this.#describe(),
      endedAt: clock.wallOf(clock.now()),
      endReason: reason,
      ...(capture === undefined ? {} : { capture }),
      ...(this.#captureFailed === undefined ? {} : { captureFailed: this.#captureFailed }),
    });
  }

  /** Nothing was recorded: the record identifier may be used again. */
  abandoned(): void {
    const { edge, folder, logger, onAbandoned } = this.#options;
    if (this.#capture !== undefined) edge.closeCapture(this.#capture.id);
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      logger.warn({ folder, error: messageOf(error) }, 'folder of a refused session not removed');
    }
    onAbandoned();
  }

  #open(streams: readonly OfferedStream[]): Capture {
    const { edge, folder, host, latch, recordId, clock } = this.#options;
    const at = clock.wallOf(clock.now());
    for (const { label, payloads, active } of streams) {
      const epochs = [{ at, payloads }];
      this.#streams.push({ label, party: null, epochs, ...(active ? {} : { inactive: true }) });
      this.#labels.push(label);
    }
    let opened;
    try {
      this.#write();
      opened = edge.openCapture({
        file: join(folder, MEDIA_PARTIAL_FILE),
        host,
        latch,
        comment: `record identifier ${recordId}`,
        streams: streams.map(captureStream),
      });
    } catch (error) {
      throw error instanceof TandemError && error.code === 'NO_PORT' ? error : storageError(error);
    }
    const capture: Capture = {
      id: opened.captureId,
      indexes: new Map(streams.map(({ position }, index) => [position, index])),
      local: new Map(
        streams.map(({ position }, index) => [position, opened.streams[index] as MediaAddress]),
      ),
    };
    this.#capture = capture;
    return capture;
  }

  #activated(index: number, active: boolean): SessionStream {
    const { inactive, ...stream } = this.#streams[index] as SessionStream;
    const result = inactive === true && !active ? { ...stream, inactive } : stream;
    this.#streams[index] = result;
    return result;
  }

  #writeMetadata(): void {
    const { folder, logger } = this.#options;
    if (this.#metadataXml === undefined) return;
    try {
      writeWhole(join(folder, METADATA_FILE), this.#metadataXml);
    } catch (error) {
      logger.error({ folder, error: messageOf(error) }, 'metadata not written');
    }
  }

  #describeOnDisk(): void {
    const { folder, logger } = this.#options;
    try {
      this.#write();
    } catch (error) {
      logger.error({ folder, error: messageOf(error) }, 'session not described on disk');
    }
  }

  #write(): void {
    writeSession(this.#options.folder, this.#describe());
  }

  #describe(): SessionDescription {
    const { recordId, recorder, sipCallId, source } = this.#options;
    return {
      recordId,
      recorder,
      pid: process.pid,
      sipCallId,
      source,
      sessionId: this.#sessionId,
      startedAt: this.#startedWallMs,
      streams: this.#streams,
      declined: [...this.#declined.values()],
    };
  }
}

function captureStream(offered: OfferedStream): CaptureStreamOptions {
  const { label, payloads, remote, reportRanges } = offered;
  return {
    label,
    remote: { rtp: nowhere, rtcp: nowhere, ...remote, reportRanges },
    clockRates: clockRatesOf(payloads),
  };
}

function clockRatesOf(payloads: readonly Payload[]): Record<number, number> {
  return Object.fromEntries(payloads.map(({ payloadType, clockRate }) => [payloadType, clockRate]));
}

/** Another recorder may have room. */
function storageError(cause: unknown): TandemError {
  const { code } = cause as NodeJS.ErrnoException;
  const details = (cause as { details?: { errno?: unknown } }).details;
  const full = [code, details?.errno].some((name) => name === 'ENOSPC' || name === 'EDQUOT');
  return full
    ? new TandemError('STORAGE_FULL', 'the disk is full', { cause })
    : new TandemError('STORAGE_UNWRITABLE', `recordings cannot be written: ${messageOf(cause)}`, {
        cause,
      });
}
