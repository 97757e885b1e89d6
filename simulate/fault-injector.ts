import type { FaultKind, FaultPlan } from './plan.ts';
import type { Traffic } from './network/sim-network.ts';
import { wellMannered } from './recorder/manners.ts';
import type { World } from './world.ts';
import { tandemIp } from './control.ts';

/** Lets go wrong what is planned to, and puts it right again when its time is over. */
export class FaultInjector {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  begin(): void {
    for (const fault of this.#world.plan.faults) {
      this.#announce(fault);
      this.#at(fault.at, () => {
        this.#world.story.tell(`fault: ${shown(fault)}`);
        this.#inject(fault);
      });
      if (fault.forMs !== undefined) {
        this.#at(fault.at + fault.forMs, () => {
          this.#world.story.tell(`over:  ${shown(fault)}`);
          this.#mend(fault);
        });
      }
    }
  }

  #announce(fault: FaultPlan): void {
    if (!('recorder' in fault)) return;
    const { troubles, startedAt } = this.#world;
    const from = startedAt + fault.at;
    const until = fault.forMs === undefined ? Infinity : from + fault.forMs;
    troubles.add(fault.recorder, from, until + 1_000 * retryAfterOf(fault));
    if (fault.kind === 'manners' && fault.change.lies === true) troubles.lies(fault.recorder);
  }

  #at(at: number, act: () => void): void {
    const { clock, startedAt } = this.#world;
    clock.quietly(startedAt + at - clock.now(), () => {
      clock.disturb();
      act();
    });
  }

  #inject(fault: FaultKind): void {
    const { clock, marks, network, edge } = this.#world;
    switch (fault.kind) {
      case 'kill':
        this.#recorder(fault.recorder).kill();
        return;
      case 'hostDown':
        network.setHost(this.#ip(fault.recorder), false);
        return;
      case 'manners': {
        const recorder = this.#recorder(fault.recorder);
        recorder.manners = { ...recorder.manners, ...fault.change };
        if (fault.change.lies === true) marks.hit('recorder lied');
        return;
      }
      case 'hangUp': {
        const recorder = this.#recorder(fault.recorder);
        for (const session of recorder.sessions) recorder.hangUp(session);
        return;
      }
      case 'redirect': {
        const recorder = this.#recorder(fault.recorder);
        for (const session of recorder.sessions) {
          marks.hit('recorder moved its media');
          void recorder.redirect(session);
        }
        return;
      }
      case 'cut':
        this.#cut(fault, true);
        return;
      case 'loss':
        this.#lose(fault.recorder, fault.share);
        return;
      case 'delay':
        this.#delay(fault.recorder, fault.delayMs);
        return;
      case 'quotesLittle':
        network.setPath(this.#ip(fault.recorder), tandemIp, { quotesLittle: true });
        return;
      case 'unsendable':
        marks.hit('local sending error');
        edge.setUnsendable(this.#ip(fault.recorder), fault.error);
        return;
      case 'drain':
        marks.hit('recorder was drained');
        this.#assign(fault.recorder, 'draining');
        return;
      case 'setClock':
        marks.hit('clock was set');
        clock.set(fault.byMs);
        return;
      default:
        fault satisfies never;
    }
  }

  #mend(fault: FaultKind): void {
    const { network, edge, marks, plan } = this.#world;
    switch (fault.kind) {
      case 'kill':
        marks.hit('recorder came back');
        void this.#recorder(fault.recorder).start();
        return;
      case 'hostDown':
        network.setHost(this.#ip(fault.recorder), true);
        return;
      case 'manners': {
        const recorder = this.#recorder(fault.recorder);
        if (fault.change.hangs === true) recorder.wake();
        const well = Object.fromEntries(
          Object.keys(fault.change).map((key) => [
            key,
            wellMannered[key as keyof typeof wellMannered],
          ]),
        );
        recorder.manners = { ...recorder.manners, ...well };
        return;
      }
      case 'cut':
        this.#cut(fault, false);
        return;
      case 'loss':
        this.#lose(fault.recorder, 0);
        return;
      case 'delay':
        this.#delay(fault.recorder, plan.delayMs);
        return;
      case 'quotesLittle':
        network.setPath(this.#ip(fault.recorder), tandemIp, { quotesLittle: false });
        return;
      case 'unsendable':
        edge.setUnsendable(this.#ip(fault.recorder), undefined);
        return;
      case 'drain':
        this.#assign(fault.recorder, 'up');
        return;
      case 'hangUp':
      case 'redirect':
      case 'setClock':
        return;
      default:
        fault satisfies never;
    }
  }

  /** An operator, who waits for somebody to answer. */
  #assign(recorder: string, state: 'up' | 'draining'): void {
    this.#world.whenControlled(() => {
      this.#world.resources.patch(recorder, { state });
    });
  }

  #cut(fault: Extract<FaultKind, { kind: 'cut' }>, cut: boolean): void {
    const { network } = this.#world;
    const ip = this.#ip(fault.recorder);
    const which: readonly Traffic[] =
      fault.traffic === 'all' ? ['media', 'reports', 'sip'] : [fault.traffic];
    const changed = Object.fromEntries(which.map((traffic) => [traffic, cut]));
    for (const [from, to, way] of [
      [tandemIp, ip, 'there'],
      [ip, tandemIp, 'back'],
    ] as const) {
      if (fault.way !== 'both' && fault.way !== way) continue;
      network.setPath(from, to, { cut: { ...network.path(from, to).cut, ...changed } });
    }
  }

  #lose(recorder: string, share: number): void {
    const { network, plan } = this.#world;
    const ip = this.#ip(recorder);
    const loss = { media: share, reports: share, sip: Math.max(plan.sipLoss, share) };
    network.setPath(tandemIp, ip, { loss });
    network.setPath(ip, tandemIp, { loss });
  }

  #delay(recorder: string, delayMs: number): void {
    const { network } = this.#world;
    const ip = this.#ip(recorder);
    network.setPath(tandemIp, ip, { delayMs });
    network.setPath(ip, tandemIp, { delayMs });
  }

  #recorder(id: string): ReturnType<World['recorder']> {
    return this.#world.recorder(id);
  }

  #ip(id: string): string {
    return this.#recorder(id).options.ip;
  }
}

/** Seconds. Who was told to wait waits on when it is over. */
function retryAfterOf(fault: FaultKind): number {
  return fault.kind === 'manners' ? (fault.change.refuses?.retryAfter ?? 0) : 0;
}

function shown(fault: FaultKind): string {
  const { kind, ...rest } = fault;
  const details = Object.entries(rest)
    .filter(([key]) => key !== 'at')
    .map(
      ([key, value]) =>
        `${key} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
    );
  return [kind, ...details].join(' ');
}
