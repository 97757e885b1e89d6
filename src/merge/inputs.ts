import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join, resolve, sep } from 'node:path';
import { messageOf } from '../errors.ts';
import {
  MEDIA_FILE,
  MEDIA_PARTIAL_FILE,
  RECORDING_FILE,
  SESSION_PARTIAL_FILE,
} from '../recorder/session-file.ts';
import type { PayloadEpoch, SessionStream } from '../recorder/session-file.ts';
import type { CaptureInput, Complaint, RecordingFolder } from './capture-input.ts';

export interface ResolvedInputs {
  readonly inputs: CaptureInput[];
  readonly complaints: Complaint[];
}

/** Finds the capture of every path given: a file, or the one in a recording's folder. */
export function resolveInputs(paths: readonly string[]): ResolvedInputs {
  const complaints: Complaint[] = [];
  const found: { path: string; file: string; folder: string | undefined }[] = [];
  const complain = (path: string, message: string): void => {
    complaints.push({ input: path, file: path, offset: null, message });
  };
  const seen = new Set<string>();
  for (const given of paths) {
    const path = resolve(given);
    try {
      const isFolder = statSync(path).isDirectory();
      const file = isFolder ? mediaOf(path) : path;
      if (file === undefined) {
        complain(given, `no ${MEDIA_FILE} and no ${MEDIA_PARTIAL_FILE} in this folder`);
        continue;
      }
      const real = realpathSync(file);
      if (seen.has(real)) {
        complain(given, 'given twice; used once');
        continue;
      }
      seen.add(real);
      found.push({ path, file, folder: isFolder ? path : undefined });
    } catch (error) {
      complain(given, messageOf(error));
    }
  }
  const names = distinctNames(found.map(({ path }) => path));
  const inputs = found.map(({ file, folder }, index) => ({
    index,
    name: names[index] ?? file,
    file,
    recording: folder === undefined ? undefined : readRecording(folder),
  }));
  return { inputs, complaints };
}

function mediaOf(folder: string): string | undefined {
  return [MEDIA_FILE, MEDIA_PARTIAL_FILE]
    .map((name) => join(folder, name))
    .find((file) => existsSync(file));
}

/** The last parts of each path, as many as tell it from the others. */
export function distinctNames(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.split(sep).filter((part) => part !== ''));
  const nameOf = (of: readonly string[], count: number) => of.slice(-count).join('/');
  return parts.map((own, index) => {
    for (let count = 1; count < own.length; count += 1) {
      const name = nameOf(own, count);
      const isDistinct = parts.every((other, at) => at === index || nameOf(other, count) !== name);
      if (isDistinct) return name;
    }
    return `/${own.join('/')}`;
  });
}

function readRecording(folder: string): RecordingFolder {
  const document = [RECORDING_FILE, SESSION_PARTIAL_FILE]
    .map((name) => readJson(join(folder, name)))
    .find((content) => content !== undefined);
  const { recordId, sessionId, streams } = document ?? {};
  return {
    folder,
    recordId: typeof recordId === 'string' ? recordId : basename(folder),
    sessionId: typeof sessionId === 'string' ? sessionId : null,
    streams: Array.isArray(streams) ? streams.map(readStream) : [],
  };
}

function readJson(file: string): Record<string, unknown> | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return isRecord(content) ? content : undefined;
  } catch {
    return undefined;
  }
}

/** Written by other versions and by hand: what is not as expected is left out. */
function readStream(stream: unknown, index: number): SessionStream {
  if (!isRecord(stream)) return { label: `stream-${index}`, party: null, epochs: [] };
  const { label, party, epochs } = stream;
  return {
    label: typeof label === 'string' ? label : `stream-${index}`,
    party:
      isRecord(party) &&
      typeof party['participantId'] === 'string' &&
      typeof party['aor'] === 'string'
        ? {
            aor: party['aor'],
            participantId: party['participantId'],
            ...(typeof party['name'] === 'string' ? { name: party['name'] } : {}),
          }
        : null,
    epochs: Array.isArray(epochs) ? epochs.filter(isEpoch) : [],
  };
}

function isEpoch(epoch: unknown): epoch is PayloadEpoch {
  if (!isRecord(epoch) || typeof epoch['at'] !== 'number') return false;
  const { payloads } = epoch;
  return (
    Array.isArray(payloads) &&
    payloads.every(
      (payload) =>
        isRecord(payload) &&
        typeof payload['payloadType'] === 'number' &&
        typeof payload['encodingName'] === 'string' &&
        typeof payload['clockRate'] === 'number' &&
        payload['clockRate'] > 0,
    )
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
