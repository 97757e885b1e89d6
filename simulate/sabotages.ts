import type { ForkReport } from '../src/edge/types.ts';
import { TandemError } from '../src/errors.ts';
import type { StoredCall } from '../src/recording/adoption/stored.ts';
import type { RecordKind } from '../src/store/store.ts';
import { changed } from './changed.ts';
import type { Keeper, Sabotage } from './sabotage.ts';

/**
 * Faults put in on purpose, at least one an invariant: a simulator that does not find them finds nothing. Each stands between two parts
 * as they ship.
 */
export const sabotages = {
  /** The edge confirms one packet too many. */
  'confirms too much': {
    edge: (edge) =>
      changed(edge, {
        forkReports: (forkIds) => edge.forkReports(forkIds).map(oneTooMany),
        removeForks: async (forkIds) => (await edge.removeForks(forkIds)).map(oneTooMany),
        takeStock: async (portIds, forkIds) => {
          const { streams, forks } = await edge.takeStock(portIds, forkIds);
          return { streams, forks: forks.map(oneTooMany) };
        },
      }),
  },
  /** The ledger leaves out the first thing that is missing. */
  'names not all that is missing': {
    ledger: (ledger) => ({
      ...ledger,
      streams: ledger.streams.map((stream) => ({
        ...stream,
        legs: stream.legs.map((leg) => ({ ...leg, missing: leg.missing.slice(1) })),
      })),
    }),
  },
  /** What nobody has proven is called complete. */
  'calls the unproven complete': {
    ledger: (ledger) => ({
      ...ledger,
      verdict: ledger.verdict === 'unproven' ? 'complete' : ledger.verdict,
      legs: ledger.legs.map((leg) => ({
        ...leg,
        verdict: leg.verdict === 'unproven' ? 'complete' : leg.verdict,
      })),
    }),
  },
  /** What is missing on one leg is not missing. */
  'calls the missing merged': {
    ledger: (ledger) => ({
      ...ledger,
      verdict: ledger.verdict.startsWith('missing') ? 'complete-by-merge' : ledger.verdict,
    }),
  },
  /** The allocator does not look where the other leg is. */
  'ignores whom to leave out': {
    allocator: (allocator) =>
      changed(allocator, {
        allocate: (request) => allocator.allocate({ ...request, excludeRecorders: [] }),
      }),
  },
  /** After so many sessions there is no recorder any more, whatever there is. */
  'runs out of recorders': {
    allocator: (allocator) => {
      let sessions = 0;
      return changed(allocator, {
        allocate: (request) => {
          sessions += 1;
          if (sessions > 4) throw new TandemError('NO_RECORDER', 'none that would be looked at');
          return allocator.allocate(request);
        },
      });
    },
  },
  /** Nobody is told what speaks against a recorder. */
  'hears no evil': {
    bridge: (bridge) =>
      changed(bridge, {
        mediaSigns: () => new Map(),
        on: (event, listener) => (event === 'forkRefused' ? bridge : bridge.on(event, listener)),
      }),
    client: (client) =>
      changed(client, {
        on: (event, listener) => (event === 'ended' ? client : client.on(event, listener)),
      }),
    allocator: (allocator) =>
      changed(allocator, {
        on: (event, listener) =>
          event === 'recorderDown' ? allocator : allocator.on(event, listener),
      }),
  },
  /** A place on a recorder is never given back. */
  'releases nothing': {
    allocator: (allocator) => changed(allocator, { release: () => undefined }),
  },
  /** A session is forgotten, and its recorder never told. */
  'says no BYE': {
    client: (client) => changed(client, { end: () => Promise.resolve() }),
  },
  /** A pause is acknowledged before the edge has been told to stop. */
  'acknowledges a pause early': {
    bridge: (bridge, clock) =>
      changed(bridge, {
        pauseForks: (recordId, from) => {
          clock.setTimeout(() => {
            bridge.pauseForks(recordId, from).catch(() => undefined);
          }, 300);
          return Promise.resolve();
        },
      }),
  },
  /** The edge says that it has stopped, and has not. */
  'answers before it obeys': {
    edge: (edge, clock) =>
      changed(edge, {
        pauseFork: (forkId, from) => {
          clock.setTimeout(() => {
            edge.pauseFork(forkId, from).catch(() => undefined);
          }, 200);
          return Promise.resolve();
        },
      }),
  },
  /** One order to the edge overtakes another. */
  'lets a pause be overtaken': {
    edge: (edge, clock) =>
      changed(edge, {
        pauseFork: (forkId, from) =>
          new Promise((resolve, reject) => {
            clock.setTimeout(() => {
              edge.pauseFork(forkId, from).then(resolve, reject);
            }, 400);
          }),
      }),
  },
  /** What is sent again takes no heed of pauses that are over. */
  'replays what was kept out': {
    bridge: (bridge) =>
      changed(bridge, {
        startForks: (starts) =>
          bridge.startForks(starts.map((start) => ({ ...start, keptOut: {} }))),
      }),
  },
  /** Who found nobody to record him once is forgotten. */
  'gives a leg up': {
    allocator: (allocator) => {
      const lost = new Set<string>();
      return changed(allocator, {
        allocate: (request) => {
          const key = `${request.callId} ${request.leg}`;
          if (lost.has(key)) throw new TandemError('NO_RECORDER', 'it was asked before');
          try {
            return allocator.allocate(request);
          } catch (error) {
            lost.add(key);
            throw error;
          }
        },
      });
    },
  },
  /** A call is told of a pause and says nothing to it. */
  'waits for itself': {
    calls: (calls) =>
      changed(calls, {
        recording: async (callId, action) => {
          const state = await calls.recording(callId, action);
          return action === 'pause' ? new Promise(() => undefined) : state;
        },
      }),
  },
  /** What a timer does is not looked after. */
  'throws where nobody catches': {
    allocator: (allocator, clock) =>
      changed(allocator, {
        reportFailure: (...failure) => {
          clock.setTimeout(() => {
            allocator.reportFailure(...failure);
            throw new TandemError('INTERNAL', 'of a recorder that failed');
          }, 0);
        },
      }),
  },
  /** What legs are at is not written down. */
  'stores no legs': {
    keeper: (keeper) => leavingOut(keeper, ({ kind }) => kind === 'leg'),
  },
  /** Dialogs with recorders are not written down. */
  'stores no sessions': {
    keeper: (keeper) => leavingOut(keeper, ({ kind }) => kind === 'session'),
  },
  /** Which copies are whose is not written down. */
  'stores no copies': {
    keeper: (keeper) => leavingOut(keeper, ({ kind }) => kind === 'forks'),
  },
  /** Of a call it is written down that it began, and nothing after that. */
  'stores calls once': {
    keeper: (keeper) => {
      const put = new Set<string>();
      return leavingOut(keeper, ({ kind, id, data }) => {
        if (kind !== 'call' || !('answeredAt' in (data as StoredCall).data)) return false;
        const isAgain = put.has(id);
        put.add(id);
        return isAgain;
      });
    },
  },
  /** Who asks is answered before what was asked for is written down. */
  'answers before it is stored': {
    keeper: (keeper, clock) =>
      changed(keeper, {
        put: (...record) => {
          clock.setTimeout(() => {
            keeper.put(...record);
          }, 400);
        },
        flush: () => Promise.resolve(),
      }),
  },
  /** A call's ports stay open. */
  'closes no ports': {
    edge: (edge) =>
      changed(edge, {
        closePort: (portId) => Promise.resolve(edge.streamReports([portId])[0] as never),
      }),
  },
} as const satisfies Readonly<Record<string, Sabotage>>;

export type SabotageName = keyof typeof sabotages;

export const sabotageNames = Object.keys(sabotages) as SabotageName[];

function leavingOut(
  keeper: Keeper,
  isLeftOut: (record: { kind: RecordKind; id: string; data: object }) => boolean,
): Keeper {
  return changed(keeper, {
    put: (kind, id, data) => {
      if (!isLeftOut({ kind, id, data })) keeper.put(kind, id, data);
    },
  });
}

function oneTooMany(report: ForkReport): ForkReport {
  const last = report.confirmed.at(-1);
  if (last === undefined) return report;
  const more = { ...last, last: last.last + 1 };
  return { ...report, confirmed: [...report.confirmed.slice(0, -1), more] };
}
