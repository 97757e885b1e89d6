import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { answerTo, invalidRequest } from '../../../src/control/error-answer.ts';
import { statusOf } from '../../../src/control/error-status.ts';
import { TandemError } from '../../../src/errors.ts';

describe('the answer to an error', () => {
  it.each([
    ['CALL_NOT_FOUND', 404],
    ['CALL_EXISTS', 409],
    ['ANSWER_BEFORE_OFFER', 409],
    ['SDP_INVALID', 400],
    ['SDP_UNSUPPORTED_SRTP', 422],
    ['NO_PORT', 503],
    ['NO_RECORDER', 503],
    ['WORKER_LOST', 503],
  ] as const)('%s is %d, with code, message and details', (code, status) => {
    const answer = answerTo(new TandemError(code, 'why', { details: { field: 'offer' } }));
    expect(answer).toEqual({
      status,
      body: { error: { code, message: 'why', details: { field: 'offer' } } },
    });
  });

  it.each([
    new Error('password is hunter2'),
    new TandemError('INTERNAL', 'password is hunter2', { details: { password: 'hunter2' } }),
    'hunter2',
    undefined,
  ])('tells nothing of a fault of its own', (error) => {
    expect(answerTo(error)).toEqual({
      status: 500,
      body: { error: { code: 'INTERNAL', message: 'internal error' } },
    });
  });

  it('leaves out details that are too long', () => {
    const details = { text: 'x'.repeat(20_000) };
    expect(answerTo(new TandemError('NO_RECORDER', 'm', { details })).body.error).toEqual({
      code: 'NO_RECORDER',
      message: 'm',
    });
  });

  it('gives every code an error status', () => {
    for (const status of Object.values(statusOf)) expect(status).toBeGreaterThanOrEqual(400);
  });
});

describe('a request that is not valid', () => {
  const schema = z.strictObject({ a: z.strictObject({ b: z.int() }), text: z.string().max(3) });

  function refuse(input: unknown) {
    const result = schema.safeParse(input);
    return invalidRequest(result.error!, input).details;
  }

  it('names the field and the value, shortened', () => {
    expect(refuse({ a: { b: 'no' }, text: 'y'.repeat(100) })).toMatchObject({
      field: 'a.b',
      value: 'no',
      issues: [{ field: 'a.b' }, { field: 'text', value: `${'y'.repeat(64)}…` }],
    });
  });

  it('names a key that nobody knows by its own path', () => {
    expect(refuse({ a: { b: 1, c: 2 }, text: '' })).toMatchObject({
      field: 'a.c',
      value: '2',
      reason: 'unknown key',
    });
  });

  it('gives no value for a field that is not there', () => {
    expect(refuse({ text: '' })).not.toHaveProperty('value');
  });

  it('gives no value for one that cannot be written out', () => {
    let deep: unknown = 1;
    for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
    expect(refuse({ a: deep, text: '' })).toMatchObject({ field: 'a' });
  });

  it('names eight at most', () => {
    const unknown = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`k${n}`, n]));
    expect(refuse({ a: { b: 1 }, text: '', ...unknown })?.['issues']).toHaveLength(8);
  });
});
