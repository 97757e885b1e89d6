import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import { systemClock } from '../clock.ts';
import type { Clock, Timer } from '../clock.ts';
import { messageOf, TandemError } from '../errors.ts';
import type {
  EstablishRequest,
  FailureReason,
  Party,
  RecordedStream,
  RecorderMedia,
  SessionClient,
  SessionEvents,
} from '../recording/interfaces.ts';
import { systemRandom } from '../sip/transaction/identifiers.ts';
import type { SipRandom } from '../sip/transaction/identifiers.ts';
import type { SipCloseReason, SipDialog } from '../sip/ua/dialog.ts';
import type { DialogSnapshot, InviteSnapshot } from '../sip/ua/snapshot.ts';
import type { InviteKeeper } from '../sip/ua/user-agent-options.ts';
import type { SipUserAgent } from '../sip/ua/user-agent.ts';
import { reasonHeader } from './reason.ts';
import { SrcSession } from './src-session.ts';
import type { SrcSessionOptions, SrcSnapshot } from './src-session.ts';

const REDIRECTS_MAX = 3;

export interface SiprecClientOptions {
  readonly userAgent: Pick<SipUserAgent, 'invite' | 'addressesOf' | 'adopt' | 'undo'>;
  readonly logger: Logger;
  /** Hosts to which every recorder may move its media. Default: none. */
  readonly mediaAllowed?: (address: string) => boolean;
  /** Default: the system's, as of `random`. */
  readonly clock?: Clock;
  readonly random?: SipRandom;
  /** Keeps what another process needs to go on with the sessions. Default: nobody does. */
  readonly keeper?: SessionKeeper;
}

/**
 * What of a recording session outlives the process: plain data.
 * - `inviting`: its INVITE is out. - `established`: it records. - `ending`: there is a dialog, and it is to be ended.
 */
export type SessionSnapshot =
  | { readonly stage: 'inviting'; readonly invite: InviteSnapshot }
  | {
      readonly stage: 'established';
      readonly dialog: DialogSnapshot;
      readonly session: SrcSnapshot;
    }
  | { readonly stage: 'ending'; readonly dialog: DialogSnapshot; readonly reason: string };

export interface SessionKeeper {
  keep(recordId: string, snapshot: SessionSnapshot): void;
  /** Nothing is left of it. */
  forget(recordId: string): void;
  /** Resolves when what was said before outlives the process. */
  flush(): Promise<void>;
}

const nobody: SessionKeeper = {
  keep: () => undefined,
  forget: () => undefined,
  flush: () => Promise.resolve(),
};

/** A session whose INVITE is out. */
interface Inviting {
  readonly abort: AbortController;
  /** Never rejects. */
  readonly over: Promise<unknown>;
}

interface Established {
  readonly session: SrcSession;
  readonly dialog: SipDialog;
  readonly timeoutMs: number;
}

/** The session recording client (RFC 7866) over our SIP user agent. */
export class SiprecClient extends EventEmitter<SessionEvents> implements SessionClient {
  readonly #userAgent: SiprecClientOptions['userAgent'];
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #random: SipRandom;
  readonly #mediaAllowed: (address: string) => boolean;
  readonly #keeper: SessionKeeper;
  /** Sessions that have changed in this turn. */
  readonly #changed = new Set<string>();
  /** By recordId. */
  readonly #established = new Map<string, Established>();
  readonly #inviting = new Map<string, Inviting>();

  constructor({
    userAgent,
    logger,
    clock,
    random,
    mediaAllowed,
    keeper = nobody,
  }: SiprecClientOptions) {
    super();
    this.#keeper = keeper;
    this.#mediaAllowed = mediaAllowed ?? (() => false);
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
      throw exists(recordId);
    }
    const abort = new AbortController();
    const { promise: over, resolve: isOver } = Promise.withResolvers<undefined>();
    this.#inviting.set(recordId, { abort, over });
    try {
      return await this.#establish(
        request,
        signal === undefined ? abort.signal : AbortSignal.any([signal, abort.signal]),
      );
    } finally {
      this.#inviting.delete(recordId);
      isOver(undefined);
    }
  }

  /** While the INVITE is out it waits for that, and is told then. */
  async update(
    recordId: string,
    change: { streams: readonly RecordedStream[]; paused: boolean },
  ): Promise<{ media: RecorderMedia }> {
    await this.#inviting.get(recordId)?.over;
    const established = this.#established.get(recordId);
    if (established === undefined) {
      throw new TandemError('SESSION_CANCELLED', `no recording session ${recordId}`, {
        details: { recordId },
      });
    }
    return { media: await established.session.update(established.dialog, change) };
  }

  async end(recordId: string, reason = 'recording ended'): Promise<void> {
    // CANCEL follows, or BYE when a 2xx crosses: nobody waits for that.
    this.#inviting.get(recordId)?.abort.abort();
    const established = this.#established.get(recordId);
    if (established === undefined) return;
    this.#established.delete(recordId);
    const { dialog, timeoutMs } = established;
    let timer: Timer | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = this.#clock.setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.#hangUp(recordId, dialog, 200, reason), patience]);
    if (timer !== undefined) this.#clock.clearTimeout(timer);
  }

  /**
   * Takes over what another process, which is gone, left of a session: one that is established goes on, as if it had been
   * established here; what was half done is undone.
   * @returns what a recorder was offered and takes whose session goes on, undefined for one that does not
   * @throws SIPREC_INVALID, SIP_INVALID when it is here already
   */
  adopt(
    recordId: string,
    snapshot: SessionSnapshot,
  ): { media: RecorderMedia; offered: readonly Party[] } | undefined {
    if (this.#established.has(recordId) || this.#inviting.has(recordId)) throw exists(recordId);
    switch (snapshot.stage) {
      case 'inviting':
        void this.#userAgent.undo(snapshot.invite).then(() => {
          this.#keeper.forget(recordId);
        });
        return undefined;
      case 'ending':
        void this.#hangUp(recordId, this.#userAgent.adopt(snapshot.dialog), 200, snapshot.reason);
        return undefined;
      case 'established': {
        const { request } = snapshot.session;
        const logger = this.#logger.child({ recordId });
        const dialog = this.#userAgent.adopt(snapshot.dialog);
        const session = SrcSession.ofSnapshot(
          this.#sessionOptions(recordId, logger),
          snapshot.session,
        );
        this.#watch(recordId, { session, dialog, timeoutMs: request.timeoutMs });
        this.#sessionChanged(recordId);
        return { media: session.media, offered: session.offered };
      }
    }
  }

  async #establish(
    request: EstablishRequest,
    signal: AbortSignal,
  ): Promise<{ media: RecorderMedia }> {
    const { recordId, timeoutMs } = request;
    const logger = this.#logger.child({ recordId });
    const session = new SrcSession({ request, ...this.#sessionOptions(recordId, logger) });
    const dialog = await this.#userAgent.invite({
      uri: recordUri(request.uri, recordId),
      headers: [['Require', 'siprec']],
      ...session.offerBody(),
      contactParams: '+sip.src',
      timeoutMs,
      maxRedirects: REDIRECTS_MAX,
      signal,
      keeper: this.#inviteKeeper(recordId),
    });
    const established = { session, dialog, timeoutMs };
    if (!dialog.remoteParams.has('+sip.srs')) {
      logger.info(
        { peer: dialog.remoteContact },
        'recorder does not say that it is one (+sip.srs)',
      );
    }
    this.#watch(recordId, established);
    try {
      const media = await session.begin(dialog);
      if (this.#established.get(recordId) !== established || signal.aborted)
        throw endedMeanwhile(recordId, signal);
      return { media };
    } catch (cause) {
      if (this.#established.get(recordId) === established) this.#established.delete(recordId);
      void this.#hangUp(recordId, dialog, 488, messageOf(cause));
      throw cause;
    }
  }

  #sessionOptions(recordId: string, logger: Logger): Omit<SrcSessionOptions, 'request'> {
    return {
      logger,
      clock: this.#clock,
      random: this.#random,
      addressesOf: (host) => this.#userAgent.addressesOf(host),
      mediaAllowed: this.#mediaAllowed,
      onMedia: (media) => {
        this.emit('mediaChanged', { recordId, media });
      },
      onChanged: () => {
        this.#sessionChanged(recordId);
      },
    };
  }

  #inviteKeeper(recordId: string): InviteKeeper {
    return {
      inviting: (invite) => {
        this.#keeper.keep(recordId, { stage: 'inviting', invite });
        return this.#kept();
      },
      answered: (dialog) => {
        // Until the answer is read there is nothing to go on with.
        this.#keeper.keep(recordId, { stage: 'ending', dialog, reason: 'not begun' });
        return this.#kept();
      },
      over: () => {
        this.#keeper.forget(recordId);
      },
    };
  }

  /** A store that fails keeps no call from being recorded. */
  async #kept(): Promise<void> {
    await this.#keeper.flush().catch(() => undefined);
  }

  /** Told together when what changes now has changed, and before anything of it leaves: that is looked up first. */
  #sessionChanged(recordId: string): void {
    if (this.#changed.has(recordId)) return;
    this.#changed.add(recordId);
    queueMicrotask(() => {
      this.#changed.delete(recordId);
      const established = this.#established.get(recordId);
      const session = established?.session.snapshot();
      if (established === undefined || session === undefined) return;
      const dialog = established.dialog.snapshot();
      this.#keeper.keep(recordId, { stage: 'established', dialog, session });
    });
  }

  /** Resolves when BYE is answered or given up. */
  async #hangUp(recordId: string, dialog: SipDialog, cause: number, reason: string): Promise<void> {
    const bye = dialog.bye({ headers: [reasonHeader(cause, reason)] });
    this.#keeper.keep(recordId, { stage: 'ending', dialog: dialog.snapshot(), reason });
    await bye;
    this.#keeper.forget(recordId);
  }

  #watch(recordId: string, established: Established): void {
    const { session, dialog } = established;
    this.#established.set(recordId, established);
    let byeReason: string | undefined;
    const ended = (reason: FailureReason, detail?: string): void => {
      // Whoever took the session off the map has spoken for its end.
      if (this.#established.get(recordId) !== established) return;
      this.#established.delete(recordId);
      this.#keeper.forget(recordId);
      // Who is still waiting for it hears of its end by that.
      if (this.#inviting.has(recordId)) return;
      this.emit('ended', { recordId, reason, ...(detail === undefined ? {} : { detail }) });
    };
    dialog.on('reinvite', (reinvite) => {
      void session.handleReinvite(dialog, reinvite);
    });
    dialog.on('changed', () => {
      this.#sessionChanged(recordId);
    });
    dialog.on('bye', (request) => {
      byeReason = request.headers.get('Reason');
    });
    dialog.on('disconnected', () => {
      // The dialog outlives its connection (RFC 3261 18): whether the session does is for its media to say.
      if (this.#established.get(recordId) !== established) return;
      const detail = 'the connection of the session ended';
      this.emit('ended', { recordId, reason: 'sip_closed', detail });
    });
    dialog.on('closed', (why) => {
      ended(failureReasonOf(why), byeReason ?? why);
    });
  }
}

function exists(recordId: string): TandemError {
  return new TandemError('SIPREC_INVALID', `recording session ${recordId} exists`, {
    details: { recordId },
  });
}

function endedMeanwhile(recordId: string, { aborted }: AbortSignal): TandemError {
  return new TandemError(
    aborted ? 'SESSION_CANCELLED' : 'SESSION_TRANSPORT',
    aborted ? 'not wanted any more' : 'the recorder ended the session at once',
    { details: { recordId } },
  );
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
