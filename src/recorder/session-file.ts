import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Payload } from '../recording/interfaces.ts';

/** Names in a recording's folder. What is `partial` is not whole yet. */
export const MEDIA_FILE = 'media.pcapng';
export const MEDIA_PARTIAL_FILE = 'media.partial.pcapng';
export const METADATA_FILE = 'metadata.xml';
export const RECORDING_FILE = 'recording.json';
export const SESSION_PARTIAL_FILE = 'recording.partial.json';
export const WAV_FILE = 'recording.wav';

export interface PartyName {
  readonly aor: string;
  readonly name?: string;
  readonly participantId: string;
}

/** Payload types from `at` on: a re-offer may give the same number another meaning. */
export interface PayloadEpoch {
  readonly at: number;
  readonly payloads: readonly Payload[];
}

/** What the client offered to send and the recorder did not take. */
export interface DeclinedStream {
  readonly label: string;
  readonly mediaType: string;
  /** `RTP/AVP` ... */
  readonly protocol: string;
  /** Unix ms. */
  readonly at: number;
}

export interface SessionStream {
  readonly label: string;
  readonly party: PartyName | null;
  readonly epochs: readonly PayloadEpoch[];
  /** Never offered but as inactive: no media was to come. */
  readonly inactive?: boolean;
}

/** What is known of a running session beside its media: enough to finish its files after a crash. */
export interface SessionDescription {
  readonly recordId: string;
  readonly recorder: string;
  readonly pid: number;
  readonly sipCallId: string;
  readonly source: string;
  /** UUID of the communication session, the same in all recordings of a call; null without metadata. */
  readonly sessionId: string | null;
  /** Unix ms. */
  readonly startedAt: number;
  /** In the order of the interfaces in the capture file. */
  readonly streams: readonly SessionStream[];
  readonly declined?: readonly DeclinedStream[];
}

/** Replaces a file as a whole: a reader sees the old one or the new one. */
export function writeWhole(file: string, content: string | Buffer): void {
  const temporary = `${file}.tmp`;
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

export function writeSession(folder: string, session: SessionDescription): void {
  writeWhole(join(folder, SESSION_PARTIAL_FILE), `${JSON.stringify(session)}\n`);
}

/** Undefined when there is none or it cannot be read. */
export function readSession(folder: string): SessionDescription | undefined {
  try {
    const content = readFileSync(join(folder, SESSION_PARTIAL_FILE), 'utf8');
    return JSON.parse(content) as SessionDescription;
  } catch {
    return undefined;
  }
}
