import type { $ZodError } from 'zod/v4/core';
import { TandemError, type ErrorCode, type ErrorDetails } from '../errors.ts';
import { statusOf } from './error-status.ts';

/** The body of every answer that is not a success. */
interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly details?: ErrorDetails;
  };
}

export interface ErrorAnswer {
  readonly status: number;
  readonly body: ErrorBody;
}

const issuesShownMax = 8;
const valueCharsMax = 64;
const detailsCharsMax = 16_384;

/** What a client may know of anything thrown: internal errors keep their message to the log. */
export function answerTo(error: unknown): ErrorAnswer {
  const { code, message, details } = asTandemError(error);
  const status = statusOf[code];
  if (status === 500) {
    return { status, body: { error: { code: 'INTERNAL', message: 'internal error' } } };
  }
  const shown = details !== undefined && JSON.stringify(details).length <= detailsCharsMax;
  return { status, body: { error: { code, message, ...(shown ? { details } : {}) } } };
}

/** Names each field that was refused, why, and what it held. `input`: what the schema was given. */
export function invalidRequest(error: $ZodError, input: unknown): TandemError {
  if (input === null || input === undefined) {
    return new TandemError('INVALID_REQUEST', 'body: a JSON object is needed', {
      cause: error,
      details: { field: 'body', reason: 'a JSON object is needed' },
    });
  }
  const issues = error.issues
    .flatMap((issue) => {
      // A key that nobody knows: the path is that of the object it stands in.
      const keys = issue.code === 'unrecognized_keys' ? issue.keys : [undefined];
      return keys.map((key) => {
        const path = key === undefined ? issue.path : [...issue.path, key];
        const reason = key === undefined ? issue.message : 'unknown key';
        return {
          field: shorten(path.map(String).join('.') || 'body'),
          reason,
          ...valueAt(input, path),
        };
      });
    })
    .slice(0, issuesShownMax);
  const message = issues.map(({ field, reason }) => `${field}: ${reason}`).join('; ');
  return new TandemError('INVALID_REQUEST', message, {
    cause: error,
    details: { ...issues[0], issues },
  });
}

function asTandemError(error: unknown): TandemError {
  if (error instanceof TandemError) return error;
  const refusal = requestErrorOf(error);
  return refusal ?? new TandemError('INTERNAL', 'internal error', { cause: error });
}

/** What fastify itself refuses, by status: its codes are many, the kinds few. */
function requestErrorOf(error: unknown): TandemError | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  const { statusCode, message } = error;
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined;
  const options = { cause: error };
  switch (statusCode) {
    case 404:
      return new TandemError('NOT_FOUND', 'no such route', options);
    case 413:
      return new TandemError('BODY_TOO_LARGE', 'the body is too large', {
        ...options,
        details: { field: 'body' },
      });
    case 415:
      return new TandemError('UNSUPPORTED_MEDIA_TYPE', 'the body must be application/json', {
        ...options,
        details: { field: 'content-type' },
      });
    default: {
      const isBody = 'code' in error && String(error.code).startsWith('FST_ERR_CTP_');
      const details = isBody ? { details: { field: 'body', reason: message } } : {};
      return new TandemError('INVALID_REQUEST', message, { ...options, ...details });
    }
  }
}

function valueAt(input: unknown, path: readonly PropertyKey[]): { value?: string } {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return {};
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  // Of an object the field's name says enough; it may also be too deep to be written out.
  if (typeof value === 'object' && value !== null) return {};
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return typeof text === 'string' ? { value: shorten(text) } : {};
}

function shorten(text: string): string {
  return text.length > valueCharsMax ? `${text.slice(0, valueCharsMax)}…` : text;
}
