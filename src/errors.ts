/**
 * Every failure that leaves a module carries one of these codes. The same code is the HTTP error code and the
 * metric `reason`, so a code, once published, keeps its meaning.
 */
export type ErrorCode =
  // requests
  | 'BODY_TOO_LARGE'
  | 'INVALID_REQUEST'
  | 'NOT_FOUND'
  | 'UNAUTHORIZED'
  | 'UNSUPPORTED_MEDIA_TYPE'
  // calls
  | 'ANSWER_ALREADY_GIVEN'
  | 'ANSWER_BEFORE_OFFER'
  | 'CALL_EXISTS'
  | 'CALL_LIMIT'
  | 'CALL_NOT_FOUND'
  | 'CALL_STATE'
  | 'RECORDING_OFF'
  // SDP
  | 'SDP_INVALID'
  | 'SDP_UNSUPPORTED_ICE'
  | 'SDP_UNSUPPORTED_MEDIA'
  | 'SDP_UNSUPPORTED_SRTP'
  // media
  | 'EDGE_FAILED'
  | 'EDGE_FULL'
  | 'EDGE_LOST'
  | 'EDGE_ORDER_REFUSED'
  | 'EDGE_VERSION'
  | 'NO_PORT'
  | 'WORKER_LOST'
  // recorders
  | 'NO_RECORDER'
  | 'RECORDER_NOT_FOUND'
  | 'RECORDER_STATE'
  | 'SESSION_CANCELLED'
  | 'SESSION_REFUSED'
  | 'SESSION_TIMEOUT'
  | 'SESSION_TRANSPORT'
  // SIP
  | 'SIP_INVALID'
  | 'SIP_LIMIT'
  | 'SIPREC_INVALID'
  // recorder side
  | 'STORAGE_FULL'
  | 'STORAGE_UNWRITABLE'
  // what outlives the process
  | 'STORE_CORRUPT'
  | 'STORE_FULL'
  | 'STORE_HELD'
  | 'STORE_NEWER'
  | 'STORE_UNWRITABLE'
  // process
  | 'CONFIG_INVALID'
  | 'STATE_BUSY'
  | 'STATE_UNUSABLE'
  | 'INTERNAL';

/** Shapes of `details`: plain JSON, naming the field and the value that were refused. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export class TandemError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: ErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TandemError';
    this.code = code;
    this.details = options.details;
  }
}

/** The message of anything thrown, for a log line or a wrapping error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
