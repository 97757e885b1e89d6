import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { EstablishRequest, RecordedStream, RecorderMedia } from '../recording/interfaces.ts';
import type { SipMessage } from '../sip/message/sip-message.ts';
import type { SipRandom } from '../sip/transaction/identifiers.ts';
import type { SipDialog } from '../sip/ua/dialog.ts';
import type { IncomingReinvite } from '../sip/ua/incoming-reinvite.ts';
import { SipFailure } from '../sip/ua/sip-failure.ts';
import { buildSiprecBody, readSiprecBody } from './body.ts';
import { METADATA_DISPOSITION, METADATA_TYPE } from './metadata.ts';
import { buildMetadataXml } from './metadata-xml.ts';
import { readSdp, writeSdp } from './sdp.ts';
import type { MediaLine } from './sdp.ts';
import { snapshotOf } from './snapshot.ts';
import { SrcMedia } from './src-media.ts';

export interface SrcSessionOptions {
  readonly request: EstablishRequest;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: SipRandom;
  readonly onMedia: (media: RecorderMedia) => void;
}

/** One recording session of the SRC: what it offers, what the recorder said, and what the recorder asks in the dialog. */
export class SrcSession {
  readonly #request: EstablishRequest;
  readonly #lines: SrcMedia;
  readonly #logger: Logger;
  readonly #random: SipRandom;
  readonly #onMedia: (media: RecorderMedia) => void;
  readonly #sdpSessionId: number;
  #sdpVersion = 0;
  #media: RecorderMedia = {};

  constructor({ request, logger, clock, random, onMedia }: SrcSessionOptions) {
    this.#request = request;
    this.#logger = logger;
    this.#random = random;
    this.#onMedia = onMedia;
    this.#sdpSessionId = Math.trunc(clock.now());
    this.#lines = new SrcMedia(request.local);
    this.#lines.set(request.streams, false);
  }

  /** SDP offer and full snapshot. */
  offerBody(): { contentType: string; body: Buffer } {
    const sdp = this.#sdp(this.#lines.offer());
    return buildSiprecBody(sdp, this.#snapshot(), this.#random.token());
  }

  /** @throws SIPREC_INVALID when the answer is none. */
  takeAnswer(message: SipMessage): RecorderMedia {
    const lines = sdpOf(message);
    if (lines === undefined) {
      throw new TandemError('SIPREC_INVALID', 'the recorder answered without SDP', {
        details: { field: 'sdp' },
      });
    }
    this.#media = this.#lines.recorderMedia(lines);
    return this.#media;
  }

  async update(
    dialog: SipDialog,
    change: { streams: readonly RecordedStream[]; paused: boolean },
  ): Promise<RecorderMedia> {
    this.#lines.set(change.streams, change.paused);
    return this.takeAnswer(await dialog.reinvite(this.offerBody()));
  }

  async handleReinvite(dialog: SipDialog, reinvite: IncomingReinvite): Promise<void> {
    let asked: boolean;
    try {
      const body = readSiprecBody(reinvite.contentType, reinvite.body);
      asked = body.requestsSnapshot;
      if (body.sdp !== undefined) await this.#answerOffer(reinvite, readSdp(body.sdp));
      else if (reinvite.method === 'INVITE') await this.#offerWhenAsked(reinvite);
      else await reinvite.accept();
    } catch (error) {
      this.#logger.warn({ err: error }, 'request of the recorder not taken');
      reinvite.reject(error instanceof TandemError && error.code.startsWith('SDP_') ? 488 : 400);
      return;
    }
    if (asked) await this.#sendSnapshot(dialog);
  }

  async #answerOffer(reinvite: IncomingReinvite, offer: readonly MediaLine[]): Promise<void> {
    const answer = this.#sdp(this.#lines.answer(offer));
    const media = this.#lines.recorderMedia(offer, this.#media);
    await reinvite.accept({ body: answer, contentType: 'application/sdp' });
    this.#setMedia(media);
  }

  async #offerWhenAsked(reinvite: IncomingReinvite): Promise<void> {
    const body = this.#sdp(this.#lines.offer());
    const ack = await reinvite.accept({ body, contentType: 'application/sdp' });
    const lines = ack === undefined ? undefined : sdpOf(ack);
    if (lines !== undefined) this.#setMedia(this.#lines.recorderMedia(lines, this.#media));
  }

  #setMedia(media: RecorderMedia): void {
    if (JSON.stringify(media) === JSON.stringify(this.#media)) return;
    this.#media = media;
    this.#onMedia(media);
  }

  /** In a transaction of its own, after the request is answered (RFC 7866 section 9.2). */
  async #sendSnapshot(dialog: SipDialog): Promise<void> {
    try {
      await dialog.request('UPDATE', {
        body: this.#snapshot(),
        contentType: METADATA_TYPE,
        headers: [['Content-Disposition', METADATA_DISPOSITION]],
      });
    } catch (error) {
      if (error instanceof SipFailure && error.kind === 'refused' && !dialog.closed) {
        await dialog.reinvite(this.offerBody()).catch(() => undefined);
      }
      this.#logger.warn({ reason: messageOf(error) }, 'snapshot not taken by UPDATE');
    }
  }

  #snapshot(): Buffer {
    return buildMetadataXml(snapshotOf(this.#request.communicationSession, this.#lines.streams));
  }

  #sdp(lines: readonly MediaLine[]): Buffer {
    this.#sdpVersion += 1;
    const ip = this.#request.local.a.rtp.ip;
    return writeSdp({ sessionId: this.#sdpSessionId, version: this.#sdpVersion, ip }, lines);
  }
}

function sdpOf(message: SipMessage): MediaLine[] | undefined {
  const { sdp } = readSiprecBody(message.headers.get('Content-Type') ?? '', message.body);
  return sdp === undefined ? undefined : readSdp(sdp);
}
