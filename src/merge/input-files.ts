import { closeSync, openSync } from 'node:fs';
import { readRtpHeader } from '../rtp/header.ts';
import type { RtpHeader } from '../rtp/header.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { CaptureInput } from './capture-input.ts';
import { PacketWindow } from './packet-window.ts';

export interface RtpBytes {
  /** Header and payload; valid until the next read through the same window. */
  readonly bytes: Buffer;
  readonly header: RtpHeader;
}

/** The inputs, open for reading packets by their places. */
export class InputFiles {
  readonly #files = new Map<number, { fd: number; file: string; probe: PacketWindow }>();
  #isClosed = false;

  constructor(inputs: readonly CaptureInput[]) {
    for (const { index, file } of inputs) {
      try {
        const fd = openSync(file, 'r');
        this.#files.set(index, { fd, file, probe: new PacketWindow(fd, file) });
      } catch (cause) {
        this.close();
        throw new TandemError('NOT_FOUND', `${file}: ${messageOf(cause)}`, { cause });
      }
    }
  }

  /** A window of its own, for reading on from packet to packet. */
  window(input: number): PacketWindow {
    const { fd, file } = this.#entry(input);
    return new PacketWindow(fd, file);
  }

  /** A packet here and there. */
  probe(input: number, place: number): RtpBytes {
    return rtpAt(this.#entry(input).probe, place);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { fd } of this.#files.values()) closeSync(fd);
  }

  #entry(input: number): { fd: number; file: string; probe: PacketWindow } {
    const entry = this.#files.get(input);
    if (entry === undefined) throw new Error(`no input ${input}`);
    return entry;
  }
}

export function rtpAt(window: PacketWindow, place: number): RtpBytes {
  const bytes = window.read(place);
  const header = readRtpHeader(bytes);
  if (header === undefined)
    throw new TandemError('INTERNAL', 'an input changed while it was merged');
  return { bytes, header };
}

/** The same packet of the same stream: payload, its type and its time. */
export function differenceOf(
  one: RtpBytes,
  other: RtpBytes,
): 'payload' | 'payload type' | 'timestamp' | undefined {
  if (one.header.timestamp !== other.header.timestamp) return 'timestamp';
  if (one.header.payloadType !== other.header.payloadType) return 'payload type';
  const same =
    one.bytes.compare(
      other.bytes,
      other.header.payloadStart,
      other.header.payloadEnd,
      one.header.payloadStart,
      one.header.payloadEnd,
    ) === 0;
  return same ? undefined : 'payload';
}
