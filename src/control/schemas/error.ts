import { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';
import { statusOf } from '../error-status.ts';

const errorBody = z
  .strictObject({
    error: z.strictObject({
      code: z
        .enum(Object.keys(statusOf) as ErrorCode[])
        .describe('Stable: programs may rely on it'),
      message: z.string().describe('For people'),
      details: z
        .record(z.string(), z.unknown())
        .exactOptional()
        .describe('The field and the value that were refused, or what stands in the way'),
    }),
  })
  .meta({ id: 'Error' });

const meanings = {
  400: 'The request is not valid: `details.field` says where',
  401: 'A bearer token is needed',
  404: 'There is no such thing',
  409: 'Not in this state',
  413: 'The body is too large',
  415: 'The body is not application/json',
  422: 'SDP that Tandem cannot carry',
  500: 'A fault in Tandem',
  502: 'A recorder refused',
  503: 'Not now: something is used up or lost. Retry-After says when to try again',
  504: 'A recorder did not answer',
} as const;

type ErrorStatus = keyof typeof meanings;

type ErrorSchema = z.ZodType<z.output<typeof errorBody>>;

/** Response schemas for these statuses, and for those that every route may give. */
export function errors<S extends ErrorStatus = never>(
  ...statuses: readonly S[]
): Record<S | 401 | 500, ErrorSchema> {
  const responses = [...new Set<ErrorStatus>([...statuses, 401, 500])].map((status) => [
    status,
    { description: meanings[status], content: { 'application/json': { schema: errorBody } } },
  ]);
  // To the types it is the bare schema, so that what handlers return is still checked.
  return Object.fromEntries(responses) as Record<S | 401 | 500, ErrorSchema>;
}
