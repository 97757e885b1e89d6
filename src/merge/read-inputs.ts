import { statSync } from 'node:fs';
import { messageOf, TandemError } from '../errors.ts';
import { CaptureIndex } from './capture-index.ts';
import type { CaptureInput, Complaint } from './capture-input.ts';
import { runSteps } from './steps.ts';
import type { Progress } from './steps.ts';

/** Pass 1 over all inputs. What cannot be read is complained of and left out; what was whole before a damage is used. */
export async function readInputs(
  inputs: readonly CaptureInput[],
  complaints: Complaint[],
  progress: Progress,
): Promise<CaptureIndex[]> {
  const indexes: CaptureIndex[] = [];
  const sizes = inputs.map(({ file }) => statSync(file).size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let before = 0;
  for (const [at, input] of inputs.entries()) {
    const complain = (message: string, offset: number | null): void => {
      complaints.push({ input: input.name, file: input.file, offset, message });
    };
    try {
      const steps = shifted(CaptureIndex.build(input), before);
      const index = await runSteps('reading', steps, total, progress);
      indexes.push(index);
      if (index.problem !== undefined) {
        const reason = index.problem.reason.replace(`${input.file}: `, '');
        complain(`${reason}; what is before this place was read`, index.problem.offset);
      }
    } catch (error) {
      // Also a read that fails half-way; but not that the merge was given up.
      const isOfInput =
        error instanceof TandemError || (error instanceof Error && 'syscall' in error);
      if (!isOfInput) throw error;
      complain(messageOf(error).replace(`${input.file}: `, ''), null);
    }
    before += sizes[at] ?? 0;
  }
  settle(indexes, complaints);
  return indexes;
}

function* shifted<Result>(steps: Generator<number, Result>, by: number): Generator<number, Result> {
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value;
    yield step.value + by;
  }
}

/** A few packets are RTP when another capture knows their SSRC; what stays unproved is not. */
function settle(indexes: readonly CaptureIndex[], complaints: Complaint[]): void {
  const proved = new Set<number>();
  for (const { tracks } of indexes) {
    for (const track of tracks.values()) if (track.isRtp) proved.add(track.ssrc);
  }
  for (const { input, tracks, others, packets, linkTypes } of indexes) {
    for (const [key, track] of tracks) {
      if (track.isRtp) continue;
      if (proved.has(track.ssrc)) {
        track.confirm();
        continue;
      }
      others.other += track.candidates;
      tracks.delete(key);
    }
    if (tracks.size > 0) continue;
    const links = [...linkTypes].join(', ');
    complaints.push({
      input: input.name,
      file: input.file,
      offset: null,
      message: `no RTP in it: ${packets} packets${links === '' ? '' : `, link type ${links}`}`,
    });
  }
}
