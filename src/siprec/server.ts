import type { Logger } from 'pino';
import type { Clock } from '../clock.ts';
import { messageOf, TandemError } from '../errors.ts';
import type { Header } from '../sip/message/headers.ts';
import type { IncomingInvite } from '../sip/ua/incoming-invite.ts';
import { readSiprecBody } from './body.ts';
import { mediaTypeOf } from './multipart.ts';
import { readSdp } from './sdp.ts';
import type { MediaLine } from './sdp.ts';
import { SrsSession, statusOf } from './srs-session.ts';
import type { OfferedStream, RecordingSink } from './srs-session.ts';

export interface RecordingRequest {
  /** User part of the Request-URI, unescaped, `''` when there is none. From outside: not to be trusted. */
  readonly user: string;
  readonly sipCallId: string;
  readonly source: string;
  readonly streams: readonly OfferedStream[];
}

export interface SiprecServerOptions {
  /** Makes room for a recording, or throws a TandemError that says why not: the SRC gets its status. */
  readonly open: (request: RecordingRequest, session: SrsSession) => Promise<RecordingSink>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Whatever is short now, room or ports, may be there again soon; another recorder should be asked before. */
const retryAfter: Header = ['Retry-After', '5'];

/** In which the sessions of a recorder that died come in. */
const burstMs = 200;

/** The session recording server (RFC 7866): takes SIPREC from anyone. `onInvite` is the user agent's handler. */
export class SiprecServer {
  readonly #open: SiprecServerOptions['open'];
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Answered, but their metadata has not been read yet. */
  readonly #untaken: SrsSession[] = [];

  constructor({ open, clock, logger }: SiprecServerOptions) {
    this.#open = open;
    this.#clock = clock;
    this.#logger = logger;
  }

  readonly onInvite = (invite: IncomingInvite): void => {
    void this.#take(invite);
  };

  async #take(invite: IncomingInvite): Promise<void> {
    const logger = this.#logger.child({ user: invite.requestUser });
    const session = new SrsSession(logger);
    let answer: Buffer;
    try {
      const body = readSiprecBody(invite.contentType, invite.body);
      if (body.sdp === undefined) {
        refuseWithoutSdp(invite);
        return;
      }
      const lines = readSdp(body.sdp);
      const streams = SrsSession.streamsOf(lines);
      const sink = await this.#open(
        {
          user: invite.requestUser,
          sipCallId: invite.headers.get('Call-ID') ?? '',
          source: `${invite.source.address}:${String(invite.source.port)}`,
          streams,
        },
        session,
      );
      answer = answerWith(session, sink, lines, streams);
      session.holdMetadata(body.metadata);
      this.#takeMetadataOf(session);
    } catch (error) {
      const status = error instanceof TandemError ? statusOf(error) : 500;
      logger.warn({ status, reason: messageOf(error) }, 'recording session refused');
      // Reason phrases are one line of text; ours may quote a path or a file system's words.
      const warning: Header = ['Warning', `399 tandem "${quotable(messageOf(error))}"`];
      invite.reject(status, undefined, status === 503 ? [warning, retryAfter] : [warning]);
      session.end(`refused: ${messageOf(error)}`);
      return;
    }
    try {
      session.attach(
        await invite.accept({
          body: answer,
          contentType: 'application/sdp',
          contactParams: '+sip.srs',
        }),
      );
    } catch (error) {
      logger.warn({ reason: messageOf(error) }, 'recording session not acknowledged');
      session.end(`not acknowledged: ${messageOf(error)}`);
    }
  }

  /** A recorder that takes over from a dead one answers all of its sessions first. Then one a turn of the event loop. */
  #takeMetadataOf(session: SrsSession): void {
    this.#untaken.push(session);
    if (this.#untaken.length === 1) this.#clock.setTimeout(this.#takeNext, burstMs);
  }

  readonly #takeNext = (): void => {
    this.#untaken.shift()?.takeMetadata();
    if (this.#untaken.length > 0) setImmediate(this.#takeNext);
  };
}

function answerWith(
  session: SrsSession,
  sink: RecordingSink,
  lines: readonly MediaLine[],
  streams: readonly OfferedStream[],
): Buffer {
  try {
    return session.open(sink, lines, sink.offered(streams));
  } catch (error) {
    sink.abandoned();
    throw error;
  }
}

function refuseWithoutSdp(invite: IncomingInvite): void {
  const type = mediaTypeOf(invite.contentType);
  if (invite.body.length > 0 && type !== 'application/sdp' && !type.startsWith('multipart/')) {
    invite.reject(415, undefined, [['Accept', 'application/sdp, multipart/mixed']]);
  } else {
    invite.reject(488, 'Offer Expected');
  }
}

function quotable(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, ' ')
    .replace(/["\\]/g, "'")
    .slice(0, 200);
}
