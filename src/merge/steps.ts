/** How long work goes on before the event loop is heard: a signal, a progress line. */
const STEP_MS = 50;

export interface Progress {
  /** `done` of 0 to 1. */
  readonly onProgress: (phase: string, done: number) => void;
  /** Called between steps; rejects to give up. */
  readonly pause: () => Promise<void>;
}

/** Runs work that yields how far it is, out of `total`. */
export async function runSteps<Result>(
  phase: string,
  steps: Generator<number, Result>,
  total: number,
  { onProgress, pause }: Progress,
): Promise<Result> {
  let pausedAt = performance.now();
  try {
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value;
      if (performance.now() - pausedAt < STEP_MS) continue;
      onProgress(phase, total === 0 ? 1 : Math.min(1, step.value / total));
      await pause();
      pausedAt = performance.now();
    }
  } finally {
    // Closes what the work holds open, when it was given up.
    steps.return(undefined as Result);
  }
}
