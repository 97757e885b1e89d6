import type { Logger } from '../../src/logger.ts';
import type { OpenTransport } from '../../src/sip/transport/flow.ts';
import type { SipRandom } from '../../src/sip/transaction/identifiers.ts';
import type { SipDialog } from '../../src/sip/ua/dialog.ts';
import type { IncomingInvite } from '../../src/sip/ua/incoming-invite.ts';
import type { SipResponseInit } from '../../src/sip/ua/incoming-request.ts';
import type { IncomingReinvite } from '../../src/sip/ua/incoming-reinvite.ts';
import { SipUserAgent } from '../../src/sip/ua/user-agent.ts';
import { readSiprecBody } from '../../src/siprec/body.ts';
import type { SimClock } from '../clock.ts';
import type { SimNetwork } from '../network/sim-network.ts';
import { simulatedTransports } from '../network/sip-transports.ts';
import type { SimStreams } from '../network/streams.ts';
import type { MarkName } from '../marks.ts';
import { ProcessClock } from '../process-clock.ts';
import type { Random } from '../random.ts';
import { wellMannered } from './manners.ts';
import type { Manners } from './manners.ts';
import { RecordingFile } from './recording-file.ts';
import { SimSession } from './sim-session.ts';

export interface SimRecorderOptions {
  readonly id: string;
  readonly ip: string;
  readonly zone: string;
  readonly transport: 'udp' | 'tcp';
  readonly reports: 'ranges' | 'counts' | 'none';
  readonly reportEveryMs: number;
}

export interface SimRecorderServices {
  readonly clock: SimClock;
  readonly network: SimNetwork;
  readonly streams: SimStreams;
  readonly random: Random;
  readonly logger: Logger;
  readonly mark: (name: MarkName) => void;
  /** It takes this recording session. */
  readonly taken: (recordId: string) => void;
}

const sipPort = 5_060;
/** Later than any recorder should answer. */
const lateMs = 1_000;

/** A recorder on a host of its own: it takes SIPREC sessions as its manners are, and what reached its disk stays there. */
export class SimRecorder {
  readonly options: SimRecorderOptions;
  readonly files = new Map<string, RecordingFile>();
  manners: Manners = wellMannered;
  readonly #services: SimRecorderServices;
  readonly #sessions = new Set<SimSession>();
  /** It told of what it received, in a session that is over. */
  everReported = false;
  #process: { readonly clock: ProcessClock; readonly userAgent: SipUserAgent } | undefined;
  #life = 0;
  #nextPort = 10_000;
  /** Messages that a stopped process has not read. */
  #unread: (() => void)[] = [];

  constructor(options: SimRecorderOptions, services: SimRecorderServices) {
    this.options = options;
    this.#services = services;
  }

  get uri(): string {
    const { ip, transport } = this.options;
    return `sip:${ip}:${String(sipPort)};transport=${transport}`;
  }

  get runs(): boolean {
    return this.#process !== undefined;
  }

  /** Recording sessions whose dialog stands here. */
  get sessions(): readonly SimSession[] {
    return [...this.#sessions];
  }

  async start(): Promise<void> {
    if (this.#process !== undefined) return;
    this.#life += 1;
    const life = this.#life;
    const { clock, network, streams, random, logger } = this.#services;
    const { ip } = this.options;
    const processClock = new ProcessClock(clock);
    const userAgent = await SipUserAgent.create({
      host: ip,
      port: sipPort,
      transports: ['udp', 'tcp'],
      userAgent: 'simulated recorder',
      logger,
      extensions: ['siprec'],
      clock: processClock,
      random: tokens(random.stream(`life ${life}`)),
      openTransport: this.#reading(simulatedTransports(network, streams)),
      handlers: {
        onInvite: (invite) => {
          this.#invited(invite);
        },
        onOptions: () => this.#optionsAnswer(),
      },
    });
    this.#process = { clock: processClock, userAgent };
    this.#reportIn(random.between(1, this.options.reportEveryMs), life);
  }

  /** SIGKILL: its sockets are closed, what it wrote stays. */
  kill(): void {
    const running = this.#process;
    if (running === undefined) return;
    this.#process = undefined;
    this.#unread = [];
    running.clock.end();
    const { network, streams } = this.#services;
    const { ip } = this.options;
    streams.unlisten({ ip, port: sipPort });
    network.unbindDatagrams({ ip, port: sipPort });
    streams.closeOf(ip);
    for (const session of this.sessions) this.#over(session);
  }

  /** It goes on after it was stopped. */
  wake(): void {
    this.manners = { ...this.manners, hangs: false };
    const unread = this.#unread;
    this.#unread = [];
    for (const read of unread) read();
    for (const session of this.#sessions) session.wake();
  }

  hangUp(session: SimSession): void {
    void session.dialog?.bye();
    this.#over(session);
  }

  /** It asks for the media at another port. */
  async redirect(session: SimSession): Promise<void> {
    try {
      const body = session.offer(true);
      await session.dialog?.reinvite({ body, contentType: 'application/sdp' });
    } catch {
      // The other side need not take it.
    }
  }

  #reading(open: OpenTransport): OpenTransport {
    return (name, options) =>
      open(name, {
        ...options,
        onMessage: (outcome, flow) => {
          const read = (): void => {
            options.onMessage(outcome, flow);
          };
          if (!this.manners.hangs) read();
          else if (this.#unread.length < 200) this.#unread.push(read);
        },
      });
  }

  #reportIn(delayMs: number, life: number): void {
    this.#services.clock.quietly(delayMs, () => {
      if (this.#life !== life || this.#process === undefined) return;
      if (this.options.reports !== 'none') {
        for (const session of this.#sessions) session.reportAll();
      }
      this.#reportIn(this.options.reportEveryMs, life);
    });
  }

  #optionsAnswer(): SipResponseInit {
    return this.manners.leaves
      ? { status: 503, headers: [['Retry-After', '10 (draining)']] }
      : { status: 200 };
  }

  #invited(invite: IncomingInvite): void {
    const { refuses, answerMs } = this.manners;
    const recordId = invite.requestUser;
    if (refuses !== undefined && refuses.times > 0) {
      this.manners = { ...this.manners, refuses: { ...refuses, times: refuses.times - 1 } };
      this.#services.mark('refused by status');
      const { status, retryAfter } = refuses;
      invite.reject(
        status,
        undefined,
        retryAfter === undefined ? [] : [['Retry-After', String(retryAfter)]],
      );
      return;
    }
    const { clock } = this.#process ?? {};
    if (answerMs >= lateMs) this.#services.mark('recorder answered late');
    clock?.setTimeout(() => {
      void this.#accept(invite, recordId);
    }, answerMs);
  }

  async #accept(invite: IncomingInvite, recordId: string): Promise<void> {
    if (invite.signal.aborted) {
      this.#services.mark('answer after CANCEL');
      return;
    }
    const body = readSiprecBody(invite.contentType, invite.body);
    if (body.sdp === undefined) {
      invite.reject(488);
      return;
    }
    const { ip, id, reports } = this.options;
    const file = this.files.get(recordId) ?? new RecordingFile(recordId, id);
    this.files.set(recordId, file);
    const session = new SimSession(
      {
        ip,
        network: this.#services.network,
        namesRanges: reports === 'ranges',
        manners: () => (reports === 'none' ? { ...this.manners, mute: true } : this.manners),
        port: () => {
          this.#nextPort += 2;
          return this.#nextPort;
        },
      },
      file,
    );
    const answer = session.answer(body.sdp);
    this.#sessions.add(session);
    this.#services.taken(recordId);
    const life = this.#life;
    try {
      const empty = session.answers === 'empty';
      if (session.answers !== 'well') this.#services.mark('recorder took no media');
      const dialog = await invite.accept({
        body: empty ? Buffer.alloc(0) : answer,
        contentType: 'application/sdp',
        contactParams: '+sip.srs',
      });
      if (this.#life === life) this.#watch(session, dialog);
    } catch {
      this.#over(session);
    }
  }

  #watch(session: SimSession, dialog: SipDialog): void {
    session.dialog = dialog;
    dialog.on('reinvite', (reinvite) => {
      void this.#reinvited(session, reinvite);
    });
    dialog.on('closed', () => {
      this.#over(session);
    });
    if (session.answers !== 'inactiveFirst') return;
    this.#process?.clock.setTimeout(() => {
      const body = session.offer(false);
      void dialog.reinvite({ body, contentType: 'application/sdp' }).catch(() => undefined);
    }, 1_000);
  }

  async #reinvited(session: SimSession, reinvite: IncomingReinvite): Promise<void> {
    if (this.manners.forgets) {
      reinvite.reject(481);
      this.#over(session);
      return;
    }
    const { sdp } = readSiprecBody(reinvite.contentType, reinvite.body);
    try {
      if (sdp === undefined) await reinvite.accept();
      else {
        await reinvite.accept({ body: session.answer(sdp), contentType: 'application/sdp' });
      }
    } catch {
      // Cancelled, or never acknowledged: the dialog tells.
    }
  }

  #over(session: SimSession): void {
    this.everReported ||= session.reported;
    session.end();
    this.#sessions.delete(session);
  }
}

/** Tokens that are the same in every run of a seed. */
export function tokens(random: Random): SipRandom {
  let count = 0;
  const salt = Math.floor(random.next() * 0x1_0000_0000).toString(16);
  return {
    token: () => {
      count += 1;
      return `${salt}-${count}`;
    },
    below: (limit) => random.below(limit),
  };
}
