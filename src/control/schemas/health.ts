import { z } from 'zod';

/** `degraded`: it works, but not as it should; `problems` says why in a few words, without secrets. */
export interface Health {
  readonly status: 'ok' | 'degraded' | 'unavailable';
  readonly problems: readonly string[];
}

export const healthBody: z.ZodType<Health> = z
  .strictObject({
    status: z.enum(['ok', 'degraded', 'unavailable']),
    problems: z.array(z.string()),
  })
  .meta({ id: 'Health' });
