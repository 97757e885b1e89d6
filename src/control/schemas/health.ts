import { z } from 'zod';
import { processState, type ProcessState } from './process.ts';

/** `degraded`: it works, but not as it should; `problems` says why in a few words, without secrets. */
export interface Health {
  readonly status: 'ok' | 'degraded' | 'unavailable';
  readonly problems: readonly string[];
  /** Those that live. */
  readonly processes: readonly ProcessState[];
}

export const healthBody: z.ZodType<Health> = z
  .strictObject({
    status: z.enum(['ok', 'degraded', 'unavailable']),
    problems: z.array(z.string()),
    processes: z.array(processState),
  })
  .meta({ id: 'Health' });
