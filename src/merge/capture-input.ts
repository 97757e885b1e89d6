import type { SessionStream } from '../recorder/session-file.ts';

/** One file to be merged. */
export interface CaptureInput {
  /** Place in the command line. */
  readonly index: number;
  /** The end of its path, as much of it as tells it from the other inputs. */
  readonly name: string;
  readonly file: string;
  /** Of a recording; undefined for a capture of anyone's. */
  readonly recording: RecordingFolder | undefined;
}

export interface RecordingFolder {
  readonly folder: string;
  readonly recordId: string;
  /** UUID of the communication session, where it is known. */
  readonly sessionId: string | null;
  /** In the order of the capture's interfaces; empty when not known. */
  readonly streams: readonly SessionStream[];
}

/** What a person has to be told: the result is not all that was asked for. */
export interface Complaint {
  /** Name of the input; null when it is about all of them. */
  readonly input: string | null;
  readonly file: string | null;
  /** Bytes from the beginning of the file, where there is such a place. */
  readonly offset: number | null;
  readonly message: string;
}
