import type { ForkInventory } from '../edge/edge-process-types.ts';
import type { AddForkOptions, ForkReport, ForkStart, SocketAddress } from '../edge/types.ts';
import type { ForksStart, MediaAddress, Party } from '../recording/interfaces.ts';
import type { Range } from '../rtp/ranges.ts';
import type { StoredForks } from './media-keeper.ts';
import { bothParties, streamIndex } from './party.ts';

export type ByParty<T> = Partial<Record<Party, T>>;

/** One session's forks as they are to be, of ports that are known. */
export type ForksOfPorts = ForksStart & { readonly portIds: Readonly<Record<Party, number>> };

/** The forks of one recording session, as the edge was told of them. */
export interface ForkEntry {
  readonly recordId: string;
  readonly callId: string;
  readonly portIds: Readonly<Record<Party, number>>;
  /** Where each goes, or is to go. */
  to: Readonly<ByParty<MediaAddress>>;
  /** Where those of another process were found to go, until they are told to go somewhere. */
  found: ByParty<MediaAddress>;
  /** As far as the edge has named them. */
  readonly forkIds: ByParty<number>;
  /** Forks that the recorder does not want now. */
  readonly held: Set<number>;
  paused: boolean;
  /** First packet that the pause withholds. */
  pausedFrom: ByParty<number>;
  keptOut: Readonly<ByParty<readonly Range[]>>;
  refusedTold: boolean;
  /** Why it has no forks; undefined: it has. */
  started: Promise<unknown>;
  /** Orders that wait until the edge has named forks that are being added: those that follow wait, too. */
  waits: Promise<void> | undefined;
  ending: Promise<ByParty<ForkReport>> | undefined;
  /** Set when it is ended: resolves when nothing is to be reported any more. */
  reported: PromiseWithResolvers<void> | undefined;
  /** Forks that ended, of whose recorder the final report is awaited. */
  readonly unreported: Set<number>;
}

export interface Addition {
  readonly entry: ForkEntry;
  readonly party: Party;
  readonly options: AddForkOptions;
}

const liveStart: ForkStart = { kind: 'live' };

export function newEntry(options: ForksOfPorts): ForkEntry {
  const { callId, recordId, portIds, to, paused, pausedFrom = {}, keptOut = {} } = options;
  return {
    recordId,
    callId,
    portIds,
    to,
    found: {},
    forkIds: {},
    held: new Set(),
    paused,
    pausedFrom,
    keptOut,
    refusedTold: false,
    started: Promise.resolve(undefined),
    waits: undefined,
    ending: undefined,
    reported: undefined,
    unreported: new Set(),
  };
}

export function storedOf(entry: ForkEntry): StoredForks {
  const { recordId, callId, to, forkIds, held, paused, pausedFrom: from, keptOut } = entry;
  return {
    ...{ recordId, callId, to, paused, keptOut },
    forkIds: { ...forkIds },
    held: [...held],
    pausedFrom: from,
  };
}

/**
 * As another process left it, of what the edge has. Undefined where there is nothing to go on with: it was not begun, or has been
 * stopped.
 */
export function entryOf(
  stored: StoredForks,
  portIds: ForkEntry['portIds'],
  forks: readonly ForkInventory[],
): ForkEntry | undefined {
  const { to, held, paused, pausedFrom: from, keptOut, callId, recordId } = stored;
  const entry = newEntry({
    callId,
    recordId,
    portIds,
    to,
    from: {},
    paused,
    pausedFrom: from,
    keptOut,
  });
  for (const party of bothParties) {
    const named = stored.forkIds[party];
    const fork = forks.find(({ forkId, portId, rtp }) =>
      named === undefined
        ? portId === portIds[party] && isSameAddress(rtp, to[party]?.rtp)
        : forkId === named,
    );
    if (fork === undefined) continue;
    entry.forkIds[party] = fork.forkId;
    entry.found[party] = { rtp: fork.rtp, rtcp: fork.rtcp };
    if (held.includes(fork.forkId)) entry.held.add(fork.forkId);
  }
  const isToHave = Object.keys(to).length > 0;
  return isToHave && idsOf(entry.forkIds).length === 0 ? undefined : entry;
}

/** It is there already: told again, the edge would forget what that recorder has reported. */
export function wasFoundAt(entry: ForkEntry, party: Party, target: MediaAddress): boolean {
  const found = entry.found[party];
  entry.found = { ...entry.found, [party]: undefined };
  if (found === undefined) return false;
  return isSameAddress(found.rtp, target.rtp) && isSameAddress(found.rtcp, target.rtcp);
}

function isSameAddress(left: SocketAddress, right: SocketAddress | undefined): boolean {
  return left.ip === right?.ip && left.port === right.port;
}

export function additionsOf(
  entry: ForkEntry,
  to: Readonly<ByParty<MediaAddress>>,
  from: Readonly<ByParty<ForkStart>>,
): Addition[] {
  return bothParties.flatMap((party) => {
    const target = to[party];
    if (target === undefined) return [];
    const options = {
      portId: entry.portIds[party],
      streamIndex: streamIndex[party],
      rtp: target.rtp,
      rtcp: target.rtcp,
      from: from[party] ?? liveStart,
      paused: entry.paused,
      ...pausedFrom(entry, party),
      keptOut: entry.keptOut[party] ?? [],
    };
    return { entry, party, options };
  });
}

export function partyOf({ forkIds }: ForkEntry, forkId: number): Party | undefined {
  return bothParties.find((party) => forkIds[party] === forkId);
}

/** @param reports in the order of the parties */
export function byParty(
  forkIds: Readonly<ByParty<number>>,
  reports: readonly ForkReport[],
): ByParty<ForkReport> {
  const present = bothParties.filter((party) => forkIds[party] !== undefined);
  return Object.fromEntries(present.map((party, index) => [party, reports[index]]));
}

export function idsOf(forkIds: Readonly<ByParty<number>>): number[] {
  return bothParties.flatMap((party) => forkIds[party] ?? []);
}

function pausedFrom(entry: ForkEntry, party: Party): { pausedFrom?: number } {
  const from = entry.pausedFrom[party];
  return from === undefined ? {} : { pausedFrom: from };
}
