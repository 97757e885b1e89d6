import type { ForkReport } from '../edge/types.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { ByParty, Streams } from './leg-account.ts';
import type { LegServices } from './leg.ts';
import type { RecordingSession } from './recording-session.ts';
import { within } from './within.ts';

/** How a leg's recording sessions end: their forks, their place on the recorder, their SIP dialog. */
export class SessionEndings {
  readonly #services: LegServices;
  readonly #logger: Logger;

  constructor(services: LegServices, logger: Logger) {
    this.#services = services;
    this.#logger = logger;
  }

  /** Of a recorder that is gone. Resolves when it has answered BYE, or does not. */
  retire(session: RecordingSession, reason: string, streams: Streams): Promise<void> {
    return this.retired(
      session,
      reason,
      this.#services.bridge.stopForks(session.recordId),
      streams,
    );
  }

  /** As `retire`, when the forks are stopped already. */
  retired(
    session: RecordingSession,
    reason: string,
    forks: ByParty<ForkReport> | undefined,
    streams: Streams,
  ): Promise<void> {
    this.#close(session, reason, forks ?? {}, streams);
    return this.#sayBye(session, reason);
  }

  /** Of a recorder that is well: before the goodbye it may say what it received in all. */
  async release(session: RecordingSession, reason: string, streams: Streams): Promise<void> {
    const { bridge, clock, settings } = this.#services;
    const { recordId } = session;
    if (settings.finalReportMs === 0) return this.retire(session, reason, streams);
    const reported = bridge.endForks(recordId);
    this.#close(session, reason, bridge.forkReports(recordId), streams);
    await within(clock, settings.finalReportMs, reported).catch(() => undefined);
    const forks = bridge.stopForks(recordId);
    // Else the call has ended meanwhile.
    if (forks !== undefined) session.settle(forks);
    await this.#sayBye(session, reason);
  }

  #close(
    session: RecordingSession,
    reason: string,
    forks: ByParty<ForkReport>,
    streams: Streams,
  ): void {
    const { allocator, clock, directory } = this.#services;
    session.end(clock.now(), reason, forks, streams);
    directory.remove(session.recordId);
    allocator.release(session.recordId);
  }

  #sayBye({ recordId }: RecordingSession, reason: string): Promise<void> {
    const { client, observer, pacer } = this.#services;
    return new Promise((resolve) => {
      pacer.afterMoves(() => {
        observer.sessionEnded(reason);
        const ended = client.end(recordId, reason).catch((error: unknown) => {
          this.#logger.debug({ recordId, error: messageOf(error) }, 'BYE unanswered');
        });
        resolve(ended);
      });
    });
  }
}
