import type { Clock } from '../clock.ts';
import { TandemError } from '../errors.ts';

/** @throws TandemError SESSION_TIMEOUT */
export async function within<T>(clock: Clock, timeoutMs: number, action: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = clock.setTimeout(() => {
    late.reject(new TandemError('SESSION_TIMEOUT', `no answer within ${timeoutMs} ms`));
  }, timeoutMs);
  try {
    return await Promise.race([action, late.promise]);
  } finally {
    clock.clearTimeout(timer);
  }
}
