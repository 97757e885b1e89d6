import type { LegState } from '../../src/recording/call-state.ts';
import type { CallTruth } from '../truth.ts';
import type { World } from '../world.ts';
import { recordedCalls } from './checker.ts';
import type { Checker } from './checker.ts';
import { Willing } from './willing.ts';

/** An INVITE that nobody answers, the next one, and the distance of tries. */
const unrecordedMsMax = 16_000;
/** Ten reports that stay out, at the most seldom that they come, and what follows. */
const unstoredMsMax = 25_000;

/** No leg is without a recorder while one was able and willing; nor on one that stores nothing, where it could be known. */
export function legIsRecorded(): Checker {
  const since = new Map<string, number>();
  const told = new Set<string>();
  const willing = new Willing();
  const tell = (key: string, text: string): string[] => {
    if (told.has(key)) return [];
    told.add(key);
    return [text];
  };
  return {
    name: 'leg is recorded',
    during: (world) => {
      const now = world.clock.now();
      willing.look(world);
      return recordedCalls(world).flatMap(({ truth, legs }) => {
        if (truth.wish !== 'on' || truth.deleted !== 'no') {
          for (const { leg } of legs) since.delete(`${truth.id} ${leg}`);
          return [];
        }
        return legs.flatMap((leg) => {
          const key = `${truth.id} ${leg.leg}`;
          if (!isLacking(world, truth, leg, now)) {
            since.delete(key);
            return [];
          }
          const from = since.get(key) ?? now;
          since.set(key, from);
          const most = isRecording(leg) ? unstoredMsMax : unrecordedMsMax;
          const idle = idleOnes(legs, leg, world.recorders.keys()).find((id) => {
            if (id === leg.recorder && !wantsAll(world, leg)) return false;
            const well = willing.since(world, id);
            if (well === undefined) return false;
            if (world.troubles.had(id, now)) world.marks.hit('recorder was due again');
            return now - Math.max(from, well, world.controlSince) >= most;
          });
          if (idle === undefined) return [];
          const text = isRecording(leg)
            ? `says ${leg.state} on ${leg.recorder ?? 'none'}, which stores nothing`
            : leg.state;
          return tell(
            key,
            `${key}: ${text} for ${now - from} ms, and ${idle} was able and willing`,
          );
        });
      });
    },
  };
}

function isRecording({ state }: LegState): boolean {
  return state === 'recording' || state === 'paused';
}

function isLacking(world: World, truth: CallTruth, leg: LegState, now: number): boolean {
  if (!isRecording(leg)) return true;
  const recorder = world.recorders.get(leg.recorder ?? '');
  if (recorder === undefined) return true;
  // Nothing tells of a recorder that never reports, or does not say the truth, whether it stores.
  if (recorder.options.reports === 'none' || world.troubles.isLiar(recorder.options.id))
    return false;
  if (!isSpeaking(truth, now)) return false;
  const session = recorder.sessions.find(({ file }) => file.recordId === leg.recordId);
  // One that has not reported yet, in this session or in one that is over, may be one that never does.
  if (session?.reported === false && !recorder.everReported) return false;
  return now - (session?.storedAt ?? -Infinity) > 2_000;
}

/** A session that was taken for a part of the media is for that part, whatever the recorder would say to another one. */
function wantsAll(world: World, leg: LegState): boolean {
  const recorder = world.recorders.get(leg.recorder ?? '');
  const session = recorder?.sessions.find(({ file }) => file.recordId === leg.recordId);
  return session === undefined || session.answers === 'well';
}

function isSpeaking(truth: CallTruth, now: number): boolean {
  return (['a', 'b'] as const).some(
    (party) => now - (truth.heard[party].at(-1)?.at ?? -Infinity) < 500,
  );
}

/** Recorders that the other leg is not on: the leg's own, too, that it lost and that may be well again. */
function idleOnes(legs: readonly LegState[], leg: LegState, all: Iterable<string>): string[] {
  const taken = legs.filter((one) => one !== leg).map(({ recorder }) => recorder);
  return [...all].filter((id) => !taken.includes(id));
}
