import assert from 'node:assert';
import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { messageOf, TandemError } from '../errors.ts';
import type {
  EstablishRequest,
  Party,
  RecordedStream,
  RecorderMedia,
} from '../recording/interfaces.ts';
import type { SipMessage } from '../sip/message/sip-message.ts';
import { parseSipUri } from '../sip/message/uri.ts';
import type { SipRandom } from '../sip/transaction/identifiers.ts';
import type { HostAddress } from '../sip/transport/host-names.ts';
import type { SipDialog } from '../sip/ua/dialog.ts';
import type { IncomingReinvite } from '../sip/ua/incoming-reinvite.ts';
import { SipFailure } from '../sip/ua/sip-failure.ts';
import { buildSiprecBody, readSiprecBody } from './body.ts';
import { METADATA_DISPOSITION, METADATA_TYPE } from './metadata.ts';
import { buildMetadataXml } from './metadata-xml.ts';
import { MediaHosts } from './media-hosts.ts';
import type { MediaHostsSnapshot } from './media-hosts.ts';
import { hostNamesIn, readSdp, writeSdp } from './sdp.ts';
import type { MediaLine } from './sdp.ts';
import { snapshotOf } from './snapshot.ts';
import { SrcMedia } from './src-media.ts';
import type { SrcMediaSnapshot, Wish } from './src-media.ts';

export interface SrcSessionOptions {
  readonly request: EstablishRequest;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: SipRandom;
  readonly addressesOf: (host: string) => Promise<readonly HostAddress[]>;
  /** Hosts to which every recorder may move its media. */
  readonly mediaAllowed: (address: string) => boolean;
  /** The recorder changed its media, and nobody waits to be told. */
  readonly onMedia: (media: RecorderMedia) => void;
  /** Its snapshot is another: told before what makes it so leaves. */
  readonly onChanged: () => void;
}

/** A session that has begun, without its dialog: plain data. */
export interface SrcSnapshot {
  readonly request: EstablishRequest;
  readonly lines: SrcMediaSnapshot;
  readonly sdpSessionId: number;
  /** Of the last SDP of ours. */
  readonly sdpVersion: number;
  readonly media: RecorderMedia;
  readonly hosts: MediaHostsSnapshot;
}

/**
 * How far the version of our SDP jumps in a session that is adopted: a recorder may take what comes with a version that it has seen
 * for what it knows (RFC 3264 section 8).
 */
const sdpVersionMargin = 100;

/** The longest wait after a glare (RFC 3261 section 14.1). */
const glareWaitMs = 4_000;
/** That are looked up for one SDP body. */
const hostNamesMax = 4;

/** One recording session of the SRC: what it offers, what the recorder said, and what the recorder asks in the dialog. */
export class SrcSession {
  readonly #options: SrcSessionOptions;
  readonly #logger: Logger;
  #lines: SrcMedia;
  #sdpSessionId: number;
  #sdpVersion = 0;
  #media: RecorderMedia = {};
  #hosts: MediaHosts | undefined;
  /** Answers are read one after the other. */
  #reading: Promise<unknown> = Promise.resolve();
  /** A re-INVITE whose offer is not made yet: it will say all that changes until then. */
  #untold: Promise<RecorderMedia> | undefined;

  constructor(options: SrcSessionOptions) {
    const { request, logger, clock } = options;
    this.#options = options;
    this.#logger = logger;
    this.#sdpSessionId = Math.trunc(clock.now());
    this.#lines = new SrcMedia(request.local);
    this.#lines.set(request.streams, false);
  }

  /** As another process left it; its request is the snapshot's. */
  static ofSnapshot(
    options: Omit<SrcSessionOptions, 'request'>,
    snapshot: SrcSnapshot,
  ): SrcSession {
    const { request, lines, sdpSessionId, sdpVersion, media, hosts } = snapshot;
    const session = new SrcSession({ ...options, request });
    session.#lines = SrcMedia.ofSnapshot(request.local, lines);
    session.#sdpSessionId = sdpSessionId;
    session.#sdpVersion = sdpVersion + sdpVersionMargin;
    session.#media = media;
    session.#hosts = MediaHosts.ofSnapshot(hosts, options.mediaAllowed);
    return session;
  }

  /** @returns undefined before it has begun */
  snapshot(): SrcSnapshot | undefined {
    if (this.#hosts === undefined) return undefined;
    return {
      request: this.#options.request,
      lines: this.#lines.snapshot(),
      sdpSessionId: this.#sdpSessionId,
      sdpVersion: this.#sdpVersion,
      media: this.#media,
      hosts: this.#hosts.snapshot(),
    };
  }

  /** Whose streams it was told of last. */
  get offered(): readonly Party[] {
    return [...this.#lines.wish.present];
  }

  get media(): RecorderMedia {
    return this.#media;
  }

  /** SDP offer and full snapshot. */
  offerBody(): { contentType: string; body: Buffer } {
    const sdp = this.#sdp(this.#lines.offer());
    return buildSiprecBody(sdp, this.#snapshot(), this.#options.random.token());
  }

  /**
   * Reads the recorder's answer to our INVITE. In the turn in which the dialog is given to us.
   * @throws SIPREC_INVALID when no media can be sent by it
   */
  begin(dialog: SipDialog): Promise<RecorderMedia> {
    const { established } = dialog;
    assert(established !== undefined, 'a session that is adopted has begun');
    const contact = parseSipUri(dialog.remoteContact)?.host ?? '';
    this.#hosts = new MediaHosts([dialog.remoteAddress, contact], this.#options.mediaAllowed);
    return this.#takeAnswer(established, this.#lines.wish);
  }

  /**
   * Tells the recorder what there is now. Changes that are asked for while an earlier one is out are told together after it.
   * @throws SESSION_TIMEOUT when the recorder does not take it in time. What was waiting for its turn is told all the same, and
   * what comes of it by `onMedia`; what was out may be asked for again
   */
  update(
    dialog: SipDialog,
    change: { streams: readonly RecordedStream[]; paused: boolean },
  ): Promise<RecorderMedia> {
    this.#lines.set(change.streams, change.paused);
    this.#options.onChanged();
    const told = this.#untold ?? this.#tell(dialog);
    const { clock, request, onMedia } = this.#options;
    const before = JSON.stringify(this.#media);
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => {
        reject(SipFailure.timeout('The recorder did not take the change in time'));
        told.then(
          (media) => {
            if (JSON.stringify(media) !== before) onMedia(media);
          },
          () => undefined,
        );
      }, request.timeoutMs + glareWaitMs);
      told
        .finally(() => {
          clock.clearTimeout(timer);
        })
        .then(resolve, reject);
    });
  }

  #tell(dialog: SipDialog): Promise<RecorderMedia> {
    let wish = this.#lines.wish;
    const told = dialog
      .reinvite({
        offer: () => {
          // From here on a change needs another.
          if (this.#untold === told) this.#untold = undefined;
          wish = this.#lines.wish;
          return this.offerBody();
        },
        timeoutMs: this.#options.request.timeoutMs,
      })
      .then((response) => this.#takeAnswer(response, wish))
      .finally(() => {
        if (this.#untold === told) this.#untold = undefined;
      });
    this.#untold = told;
    return told;
  }

  /** One after the other: a name in it may have to be looked up. */
  #takeAnswer(message: SipMessage, wish: Wish): Promise<RecorderMedia> {
    const read = this.#reading.then(async () => {
      const lines = await this.#linesOf(message);
      if (lines === undefined) throw notUsable('no SDP');
      const why = this.#objection(lines, wish);
      if (why !== undefined) throw notUsable(why);
      this.#media = this.#lines.recorderMedia(lines, wish, {});
      this.#options.onChanged();
      return this.#media;
    });
    this.#reading = read.catch(() => undefined);
    return read;
  }

  /** Why media cannot, or must not, be sent as these lines say. */
  #objection(lines: readonly MediaLine[], wish: Wish): string | undefined {
    const refused = this.#hosts?.refuses(lines);
    return (
      this.#lines.unusable(lines, wish) ??
      (refused === undefined ? undefined : `media at ${refused}, which is no host of this recorder`)
    );
  }

  async handleReinvite(dialog: SipDialog, reinvite: IncomingReinvite): Promise<void> {
    let asked: boolean;
    try {
      await this.#reading;
      const body = readSiprecBody(reinvite.contentType, reinvite.body);
      asked = body.requestsSnapshot;
      const offer = body.sdp === undefined ? undefined : await this.#read(body.sdp);
      if (offer !== undefined) await this.#answerOffer(reinvite, offer);
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
    const { wish } = this.#lines;
    const why = this.#objection(offer, wish);
    if (why !== undefined) {
      throw new TandemError('SDP_UNSUPPORTED_MEDIA', why, { details: { field: 'sdp' } });
    }
    const answer = this.#sdp(this.#lines.answer(offer));
    const media = this.#lines.recorderMedia(offer, wish, this.#media);
    await reinvite.accept({ body: answer, contentType: 'application/sdp' });
    this.#setMedia(media);
  }

  async #offerWhenAsked(reinvite: IncomingReinvite): Promise<void> {
    const { wish } = this.#lines;
    const body = this.#sdp(this.#lines.offer());
    const ack = await reinvite.accept({ body, contentType: 'application/sdp' });
    const lines = ack === undefined ? undefined : await this.#linesOf(ack);
    if (lines === undefined) return;
    const why = this.#objection(lines, wish);
    if (why === undefined) this.#setMedia(this.#lines.recorderMedia(lines, wish, {}));
    else this.#logger.warn({ why }, 'answer of the recorder not taken');
  }

  #setMedia(media: RecorderMedia): void {
    if (JSON.stringify(media) === JSON.stringify(this.#media)) return;
    this.#media = media;
    this.#options.onChanged();
    this.#options.onMedia(media);
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
        await dialog.reinvite({ offer: () => this.offerBody() }).catch(() => undefined);
      }
      this.#logger.warn({ reason: messageOf(error) }, 'snapshot not taken by UPDATE');
    }
  }

  #snapshot(): Buffer {
    return buildMetadataXml(
      snapshotOf(this.#options.request.communicationSession, this.#lines.streams),
    );
  }

  async #linesOf(message: SipMessage): Promise<MediaLine[] | undefined> {
    try {
      const { sdp } = readSiprecBody(message.headers.get('Content-Type') ?? '', message.body);
      return sdp === undefined ? undefined : await this.#read(sdp);
    } catch (error) {
      throw notUsable(messageOf(error));
    }
  }

  async #read(sdp: Buffer): Promise<MediaLine[]> {
    const names = hostNamesIn(sdp).slice(0, hostNamesMax);
    if (names.length === 0) return readSdp(sdp);
    // What cannot be found is said when the lines are read.
    const found = names.map(
      async (name) => [name, await this.#options.addressesOf(name).catch(() => [])] as const,
    );
    return readSdp(sdp, new Map(await Promise.all(found)));
  }

  #sdp(lines: readonly MediaLine[]): Buffer {
    this.#sdpVersion += 1;
    this.#options.onChanged();
    const ip = this.#options.request.local.a.rtp.ip;
    return writeSdp({ sessionId: this.#sdpSessionId, version: this.#sdpVersion, ip }, lines);
  }
}

function notUsable(why: string): TandemError {
  return new TandemError('SIPREC_INVALID', `the recorder's answer cannot be used: ${why}`, {
    details: { field: 'sdp', why },
  });
}
