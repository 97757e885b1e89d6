import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { TandemError } from '../errors.ts';
import type {
  EstablishRequest,
  FailureReason,
  RecordedStream,
  RecorderMedia,
  SessionClient,
  SessionEvents,
} from '../recording/interfaces.ts';
import { systemRandom } from '../sip/transaction/identifiers.ts';
import type { SipRandom } from '../sip/transaction/identifiers.ts';
import type { SipCloseReason, SipDialog } from '../sip/ua/dialog.ts';
import type { SipUserAgent } from '../sip/ua/user-agent.ts';
import { reasonHeader } from './reason.ts';
import { SrcSession } from './src-session.ts';

const REDIRECTS_MAX = 3;

export interface SiprecClientOptions {
  readonly userAgent: Pick<SipUserAgent, 'invite'>;
  readonly logger: Logger;
  /** Default: the system's, as of `random`. */
  readonly clock?: Clock;
  readonly random?: SipRandom;
}

interface Established {
  readonly session: SrcSession;
  readonly dialog: SipDialog;
}

/** The session recording client (RFC 7866) over our SIP user agent. */
export class SiprecClient extends EventEmitter<SessionEvents> implements SessionClient {
  readonly #userAgent: Pick<SipUserAgent, 'invite'>;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #random: SipRandom;
  /** By recordId. */
  readonly #established = new Map<string, Established>();
  readonly #inviting = new Map<string, AbortController>();

  constructor({ userAgent, logger, clock, random }: SiprecClientOptions) {
    super();
    this.#userAgent = userAgent;
    this.#logger = logger;
    this.#clock = clock ?? systemClock;
    this.#random = random ?? systemRandom;
  }

  get sessionCount(): number {
    return this.#established.size;
  }

  async establish(
    request: EstablishRequest,
    signal?: AbortSignal,
  ): Promise<{ media: RecorderMedia }> {
    const { recordId } = request;
    if (this.#established.has(recordId) || this.#inviting.has(recordId)) {
      throw new TandemError('SIPREC_INVALID', `recording session ${recordId} exists`, {
        details: { recordId },
      });
    }
    const logger = this.#logger.child({ recordId });
    const session = new SrcSession({
      request,
      logger,
      clock: this.#clock,
      random: this.#random,
      onMedia: (media) => {
        this.emit('mediaChanged', { recordId, media });
      },
    });
    const abort = new AbortController();
    this.#inviting.set(recordId, abort);
    let dialog: SipDialog;
    try {
      dialog = await this.#userAgent.invite({
        uri: recordUri(request.uri, recordId),
        headers: [['Require', 'siprec']],
        ...session.offerBody(),
        contactParams: '+sip.src',
        timeoutMs: request.timeoutMs,
        maxRedirects: REDIRECTS_MAX,
        signal: signal === undefined ? abort.signal : AbortSignal.any([signal, abort.signal]),
      });
    } finally {
      this.#inviting.delete(recordId);
    }
    this.#watch(recordId, session, dialog, logger);
    try {
      return { media: session.takeAnswer(dialog.established) };
    } catch (cause) {
      this.#established.delete(recordId);
      void dialog.bye({ headers: [reasonHeader(488, 'answer not understood')] });
      throw cause;
    }
  }

  async update(
    recordId: string,
    change: { streams: readonly RecordedStream[]; paused: boolean },
  ): Promise<{ media: RecorderMedia }> {
    const established = this.#established.get(recordId);
    if (established === undefined) {
      throw new TandemError('SESSION_CANCELLED', `no recording session ${recordId}`, {
        details: { recordId },
      });
    }
    return { media: await established.session.update(established.dialog, change) };
  }

  async end(recordId: string, reason = 'recording ended'): Promise<void> {
    this.#inviting.get(recordId)?.abort();
    const established = this.#established.get(recordId);
    if (established === undefined) return;
    this.#established.delete(recordId);
    await established.dialog.bye({ headers: [reasonHeader(200, reason)] });
  }

  #watch(recordId: string, session: SrcSession, dialog: SipDialog, logger: Logger): void {
    this.#established.set(recordId, { session, dialog });
    if (!dialog.remoteParams.has('+sip.srs')) {
      logger.info(
        { peer: dialog.remoteContact },
        'recorder does not say that it is one (+sip.srs)',
      );
    }
    let byeReason: string | undefined;
    const ended = (reason: FailureReason, detail?: string): void => {
      // Whoever took the session off the map has spoken for its end.
      if (!this.#established.delete(recordId)) return;
      this.emit('ended', { recordId, reason, ...(detail === undefined ? {} : { detail }) });
    };
    dialog.on('reinvite', (reinvite) => {
      void session.handleReinvite(dialog, reinvite);
    });
    dialog.on('bye', (request) => {
      byeReason = request.headers.get('Reason');
    });
    dialog.on('disconnected', () => {
      // The dialog outlives its connection (RFC 3261 18): whether the session does is for its media to say.
      if (!this.#established.has(recordId)) return;
      const detail = 'the connection of the session ended';
      this.emit('ended', { recordId, reason: 'sip_closed', detail });
    });
    dialog.on('closed', (why) => {
      ended(failureReasonOf(why), byeReason ?? why);
    });
  }
}

function failureReasonOf(why: SipCloseReason): FailureReason {
  switch (why) {
    case 'bye':
      return 'srs_bye';
    case 'gone':
      return 'sip_error';
    case 'timeout':
      return 'sip_timeout';
    case 'closed':
      return 'sip_closed';
  }
}

/** The recorder's URI with the record identifier as its user part: `sip:<recordId>@recorder`. */
function recordUri(recorderUri: string, recordId: string): string {
  const match = /^(sips?:)(?:[^@]*@)?(.+)$/i.exec(recorderUri);
  if (match === null) {
    throw new TandemError('SIPREC_INVALID', `recorder URI ${recorderUri}`, {
      details: { field: 'uri' },
    });
  }
  return `${match[1] ?? ''}${encodeURIComponent(recordId)}@${match[2] ?? ''}`;
}
