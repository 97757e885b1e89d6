import { z } from 'zod';

const processRoles = ['supervisor', 'control', 'edge', 'worker', 'recorder'] as const;

/** A process of this Tandem that lives. */
export interface ProcessState {
  readonly role: (typeof processRoles)[number];
  readonly id: string;
  readonly pid: number;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly starts: number;
}

export const processState: z.ZodType<ProcessState> = z
  .strictObject({
    role: z.enum(processRoles),
    id: z.string().describe('Stays when the process is started again'),
    pid: z.int(),
    startedAt: z.iso.datetime(),
    starts: z.int().describe('How often it was started in this role and with this id'),
  })
  .meta({ id: 'Process' });

export const processList = z
  .strictObject({ processes: z.array(processState) })
  .meta({ id: 'ProcessList' });
