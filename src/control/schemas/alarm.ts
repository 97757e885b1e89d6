import { z } from 'zod';
import { alarmKinds } from '../../alarm/alarms.ts';

export const alarmList = z
  .strictObject({
    alarms: z.array(
      z
        .strictObject({
          id: z.int(),
          kind: z.enum(alarmKinds),
          at: z.iso.datetime(),
          updatedAt: z.iso.datetime().optional().describe('When more became known of it'),
          callId: z.string().optional().describe('Of several calls, the first'),
          leg: z.union([z.literal(1), z.literal(2)]).optional(),
          details: z
            .record(z.string(), z.unknown())
            .describe('Of several legs: `legCount`, and the first fifty in `legs`'),
        })
        .meta({ id: 'Alarm' }),
    ),
  })
  .meta({ id: 'AlarmList' });
