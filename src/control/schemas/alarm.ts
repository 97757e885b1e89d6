import { z } from 'zod';

export const alarmList = z
  .strictObject({
    alarms: z.array(
      z
        .strictObject({
          id: z.int(),
          kind: z.enum(['failover', 'single-leg', 'leg-without-recorder', 'verdict', 'promotion']),
          at: z.iso.datetime(),
          callId: z.string(),
          leg: z.union([z.literal(1), z.literal(2)]).optional(),
          details: z.record(z.string(), z.unknown()),
        })
        .meta({ id: 'Alarm' }),
    ),
  })
  .meta({ id: 'AlarmList' });
