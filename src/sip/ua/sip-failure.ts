import { TandemError } from '../../errors.ts';
import type { ErrorCode } from '../../errors.ts';
import { SipHeaders } from '../message/headers.ts';
import { parseRetryAfterMs } from '../message/retry-after.ts';
import type { SipResponse } from '../message/sip-message.ts';

/**
 * - `refused`: a final response of 300 or more arrived; `status`, `reason` and `headers` are its.
 * - `timeout`: no (final) response in time. - `transport`: could not be sent, or the connection ended.
 * - `cancelled`: by the caller's AbortSignal, by the peer's CANCEL or BYE, or because the user agent was closed.
 */
export type SipFailureKind = 'refused' | 'timeout' | 'transport' | 'cancelled';

const CODES: Readonly<Record<SipFailureKind, ErrorCode>> = {
  refused: 'SESSION_REFUSED',
  timeout: 'SESSION_TIMEOUT',
  transport: 'SESSION_TRANSPORT',
  cancelled: 'SESSION_CANCELLED',
};

/** Why a request or a session did not come about. */
export class SipFailure extends TandemError {
  readonly kind: SipFailureKind;
  /** The final status, or what RFC 3261 section 8.1.3.1 makes of it: 408 for a timeout, 503 for the transport. */
  readonly status: number;
  readonly reason: string;
  readonly headers: SipHeaders;
  /** The whole response where there is one. */
  readonly response: SipResponse | undefined;

  private constructor(
    kind: SipFailureKind,
    status: number,
    reason: string,
    options: { response?: SipResponse; cause?: unknown } = {},
  ) {
    const retryAfterMs = parseRetryAfterMs(options.response?.headers.get('Retry-After') ?? '');
    super(CODES[kind], `${String(status)} ${reason}`, {
      cause: options.cause,
      details: { kind, status, reason, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
    });
    this.name = 'SipFailure';
    this.kind = kind;
    this.status = status;
    this.reason = reason;
    this.headers = options.response?.headers ?? new SipHeaders();
    this.response = options.response;
  }

  static refused(response: SipResponse): SipFailure {
    return new SipFailure('refused', response.status, response.reason, { response });
  }

  static timeout(reason = 'Request Timeout'): SipFailure {
    return new SipFailure('timeout', 408, reason);
  }

  static transport(cause: unknown): SipFailure {
    return new SipFailure('transport', 503, 'Transport Failure', { cause });
  }

  static cancelled(reason = 'Request Terminated', cause?: unknown): SipFailure {
    return new SipFailure('cancelled', 487, reason, { cause });
  }

  /** Retry-After in milliseconds, where the response gave one (RFC 3261 section 20.33). */
  get retryAfterMs(): number | undefined {
    return parseRetryAfterMs(this.headers.get('Retry-After') ?? '');
  }
}
