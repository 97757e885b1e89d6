import type { Logger } from 'pino';
import { messageOf, TandemError } from '../errors.ts';
import type { MediaAddress, Payload } from '../recording/interfaces.ts';
import type { SipRequest } from '../sip/message/sip-message.ts';
import type { SipDialog } from '../sip/ua/dialog.ts';
import type { IncomingReinvite } from '../sip/ua/incoming-reinvite.ts';
import { SipFailure } from '../sip/ua/sip-failure.ts';
import { readSiprecBody } from './body.ts';
import { METADATA_DISPOSITION, METADATA_NAMESPACE, METADATA_REQUEST_TYPE } from './metadata.ts';
import type { RecordingMetadata } from './metadata.ts';
import { parseMetadataXml } from './metadata-xml.ts';
import { rangeReportsOf } from './range-reports.ts';
import { reasonHeader } from './reason.ts';
import { readSdp, writeSdp } from './sdp.ts';
import type { MediaLine } from './sdp.ts';

/** One stream as the SRC offers it now. */
export interface OfferedStream {
  /** Of its m-line, from 0; stands for the stream for the life of the session. */
  readonly position: number;
  readonly label: string;
  /** Where the SRC sends from; absent while the stream is removed or held with a null address. */
  readonly remote?: MediaAddress;
  /** False while `inactive`. */
  readonly active: boolean;
  /** The SRC asks to be told packet by packet what is received (RFC 3611). */
  readonly reportRanges: boolean;
  readonly payloads: readonly Payload[];
}

/** An m-line that is to be sent and gets port 0. */
export interface DeclinedLine {
  readonly position: number;
  readonly label: string;
  readonly mediaType: string;
  readonly protocol: string;
}

export interface MetadataSnapshot {
  readonly xml: Buffer;
  readonly metadata: RecordingMetadata;
}

/** What takes the media and metadata of one recording session. */
export interface RecordingSink {
  /** Streams as offered, again with each offer. Gives the address to send to by position; others are refused. */
  offered(streams: readonly OfferedStream[]): ReadonlyMap<number, MediaAddress>;
  /** What is offered now and not taken; told after `offered`, when there is any. */
  declined(lines: readonly DeclinedLine[]): void;
  /** A full snapshot. */
  snapshot(snapshot: MetadataSnapshot): void;
  /** The session is over, whoever ended it. Called once, after `offered` gave addresses. */
  ended(reason: string): void;
  /** The session never came to be: it was refused. Nothing is called after it. */
  abandoned(): void;
}

/** For an answer after half an hour without media: five requests over UDP. */
const aliveTimeoutMs = 5_000;

/** Media that cannot be recorded: not audio, or encrypted with keys that we were not given. */
function isRecordable({ mediaType, protocol }: MediaLine): boolean {
  return mediaType === 'audio' && /^RTP\/AVPF?$/i.test(protocol);
}

/** The SRC is to send on it. */
function isSent({ address, direction }: MediaLine): boolean {
  return address !== undefined && (direction === 'sendonly' || direction === 'sendrecv');
}

/** One recording session of the SRS: the answers it gives and what it learns in the dialog. */
export class SrsSession {
  readonly #logger: Logger;
  readonly #sdpSessionId = Date.now();
  #sdpVersion = 0;
  #sink: RecordingSink | undefined;
  #dialog: SipDialog | undefined;
  /** By position, as last offered. */
  #lines: MediaLine[] = [];
  #local: ReadonlyMap<number, MediaAddress> = new Map();
  #endReason: string | undefined;
  #ended = false;
  #connected = true;
  #snapshotWanted = false;
  #heldMetadata: Buffer | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** False once the connection that carried the dialog ended; the SRC may still be there. */
  get connected(): boolean {
    return this.#connected;
  }

  /** @throws SDP_UNSUPPORTED_MEDIA when nothing in it can be recorded. */
  static streamsOf(lines: readonly MediaLine[]): OfferedStream[] {
    const streams = lines.flatMap((line, position) =>
      isRecordable(line) ? [streamOf(line, position)] : [],
    );
    if (streams.length === 0) {
      throw new TandemError('SDP_UNSUPPORTED_MEDIA', 'no m-line of audio over RTP/AVP', {
        details: { field: 'sdp' },
      });
    }
    return streams;
  }

  /** The answer to the INVITE. */
  open(
    sink: RecordingSink,
    lines: readonly MediaLine[],
    local: ReadonlyMap<number, MediaAddress>,
  ): Buffer {
    this.#sink = sink;
    this.#lines = [...lines];
    this.#local = local;
    this.#tellDeclined();
    return this.#write(this.#lines.map((line, position) => this.#answerLine(line, position)));
  }

  attach(dialog: SipDialog): void {
    this.#dialog = dialog;
    // Nothing can be asked before the dialog stands.
    if (this.#snapshotWanted) void this.#requestSnapshot();
    if (this.#ended) {
      void dialog.bye({ headers: [reasonHeader(503, this.#endReason ?? 'ended')] });
      return;
    }
    let byeReason: string | undefined;
    dialog.on('reinvite', (reinvite) => {
      void this.#handleReinvite(reinvite);
    });
    dialog.on('bye', (request) => {
      byeReason = request.headers.get('Reason');
    });
    dialog.on('disconnected', () => {
      this.#connected = false;
    });
    dialog.on('closed', (why) => {
      this.end(this.#endReason ?? (byeReason === undefined ? why : `${why}: ${byeReason}`));
    });
  }

  end(reason: string): void {
    if (this.#ended) return;
    this.takeMetadata();
    this.#ended = true;
    this.#sink?.ended(reason);
  }

  /** BYE. Resolves when it is answered or given up. */
  async hangUp(cause: number, text: string): Promise<void> {
    this.#endReason = text;
    await this.#dialog?.bye({ headers: [reasonHeader(cause, text)] });
    this.end(text);
  }

  /** Of the INVITE: it is taken by `takeMetadata`, at the latest when newer metadata comes or the session ends. */
  holdMetadata(xml: Buffer | undefined): void {
    this.#heldMetadata = xml;
  }

  /** What is held first, then this. Metadata that is not understood is passed over: better a recording without it than none. */
  takeMetadata(xml?: Buffer): void {
    const held = this.#heldMetadata;
    this.#heldMetadata = undefined;
    this.#take(held);
    this.#take(xml);
  }

  #take(xml: Buffer | undefined): void {
    if (xml === undefined || xml.length === 0) return;
    let metadata: RecordingMetadata;
    try {
      metadata = parseMetadataXml(xml);
    } catch (error) {
      this.#logger.warn({ reason: messageOf(error) }, 'metadata not understood');
      return;
    }
    if (metadata.dataMode === 'complete') this.#sink?.snapshot({ xml, metadata });
    else if (this.#dialog === undefined) this.#snapshotWanted = true;
    else void this.#requestSnapshot();
  }

  /** Whether the SRC still knows this session: it answers a request in its dialog, whatever it answers but 481. */
  async isAlive(): Promise<boolean> {
    const dialog = this.#dialog;
    if (dialog === undefined) return !this.#ended;
    try {
      await dialog.request('OPTIONS', { timeoutMs: aliveTimeoutMs });
      return true;
    } catch (error) {
      return error instanceof SipFailure && error.kind === 'refused' && !dialog.closed;
    }
  }

  async #requestSnapshot(): Promise<void> {
    const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<requestsnapshot xmlns="${METADATA_NAMESPACE}"/>\n`;
    try {
      await this.#dialog?.request('UPDATE', {
        body: Buffer.from(xml),
        contentType: METADATA_REQUEST_TYPE,
        headers: [['Content-Disposition', METADATA_DISPOSITION]],
      });
    } catch (error) {
      this.#logger.info({ reason: messageOf(error) }, 'no snapshot to be had');
    }
  }

  async #handleReinvite(reinvite: IncomingReinvite): Promise<void> {
    try {
      const { sdp, metadata } = readSiprecBody(reinvite.contentType, reinvite.body);
      if (sdp !== undefined) {
        const body = this.#reoffered(readSdp(sdp));
        await reinvite.accept({ body, contentType: 'application/sdp' });
      } else if (reinvite.method === 'INVITE') {
        const body = this.#write(this.#lines.map((line, at) => this.#offerLine(line, at)));
        const ack = await reinvite.accept({ body, contentType: 'application/sdp' });
        this.#takeAnswerInAck(ack);
      } else {
        await reinvite.accept();
      }
      this.takeMetadata(metadata);
    } catch (error) {
      this.#logger.warn({ err: error }, 're-INVITE not taken');
      reinvite.reject(error instanceof TandemError ? statusOf(error) : 500);
    }
  }

  #reoffered(offer: readonly MediaLine[]): Buffer {
    const positions = this.#positionsOf(offer);
    for (const [at, line] of offer.entries()) this.#lines[positions[at] ?? at] = line;
    this.#setStreams();
    return this.#write(offer.map((line, at) => this.#answerLine(line, positions[at] ?? at)));
  }

  #takeAnswerInAck(ack: SipRequest | undefined): void {
    if (ack === undefined) return;
    const { sdp } = readSiprecBody(ack.headers.get('Content-Type') ?? '', ack.body);
    if (sdp === undefined) return;
    for (const [at, line] of readSdp(sdp).entries()) {
      const before = this.#lines[at];
      if (before === undefined) continue;
      // An answer may leave out what we know: its label, or payload types that it does not repeat.
      const label = line.label ?? before.label;
      const payloads = line.payloads.length > 0 ? line.payloads : before.payloads;
      this.#lines[at] = { ...line, payloads, ...(label === undefined ? {} : { label }) };
    }
    this.#setStreams();
  }

  #setStreams(): void {
    const streams = this.#lines.flatMap((line, at) =>
      isRecordable(line) ? [streamOf(line, at)] : [],
    );
    this.#local = this.#sink?.offered(streams) ?? this.#local;
    this.#tellDeclined();
  }

  #tellDeclined(): void {
    const lines = this.#lines.flatMap((line, position) => {
      const { mediaType, protocol, label = String(position + 1) } = line;
      const taken = isRecordable(line) && this.#local.has(position);
      return taken || !isSent(line) ? [] : [{ position, label, mediaType, protocol }];
    });
    if (lines.length > 0) this.#sink?.declined(lines);
  }

  /**
   * An offer repeats all m-lines in their order (RFC 3264 section 8). Some SRCs send the one that changed alone: then
   * its label tells which it is.
   */
  #positionsOf(offer: readonly MediaLine[]): number[] {
    if (offer.length >= this.#lines.length) return offer.map((_line, at) => at);
    return offer.map((line, at) => {
      const known = this.#lines.findIndex(
        ({ label }) => label !== undefined && label === line.label,
      );
      return known < 0 ? at : known;
    });
  }

  #answerLine(line: MediaLine, position: number): MediaLine {
    const local = isRecordable(line) ? this.#local.get(position) : undefined;
    const wanted = line.direction === 'sendonly' || line.direction === 'sendrecv';
    const answer: MediaLine = { ...line, direction: wanted ? 'recvonly' : 'inactive' };
    Reflect.deleteProperty(answer, 'address');
    Reflect.deleteProperty(answer, 'label');
    Reflect.deleteProperty(answer, 'rtcpXr');
    // Removed by the SRC (port 0) stays removed; a null address is a hold, whose port is answered.
    if (local === undefined || line.removed === true) return answer;
    const rtcpXr = rangeReportsOf(line);
    return { ...answer, address: local, ...(rtcpXr.length === 0 ? {} : { rtcpXr }) };
  }

  #offerLine(line: MediaLine, position: number): MediaLine {
    return { ...this.#answerLine({ ...line, direction: 'sendonly' }, position) };
  }

  #write(lines: readonly MediaLine[]): Buffer {
    this.#sdpVersion += 1;
    const ip = [...this.#local.values()][0]?.rtp.ip ?? '127.0.0.1';
    return writeSdp({ sessionId: this.#sdpSessionId, version: this.#sdpVersion, ip }, lines);
  }
}

/** The response that says why a session or change is refused. */
export function statusOf({ code }: TandemError): number {
  switch (code) {
    case 'SIPREC_INVALID':
    case 'INVALID_REQUEST':
      return 400;
    case 'CALL_EXISTS':
      return 403;
    case 'SDP_INVALID':
    case 'SDP_UNSUPPORTED_ICE':
    case 'SDP_UNSUPPORTED_MEDIA':
    case 'SDP_UNSUPPORTED_SRTP':
      return 488;
    case 'CALL_LIMIT':
    case 'EDGE_FAILED':
    case 'NO_PORT':
    case 'STORAGE_FULL':
    case 'STORAGE_UNWRITABLE':
      return 503;
    default:
      return 500;
  }
}

function streamOf(line: MediaLine, position: number): OfferedStream {
  const { address, label, payloads } = line;
  return {
    position,
    label: label ?? String(position + 1),
    ...(address === undefined ? {} : { remote: address }),
    active: isSent(line),
    reportRanges: rangeReportsOf(line).length > 0,
    payloads,
  };
}
