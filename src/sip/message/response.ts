import { splitFirst } from './grammar.ts';
import { SipHeaders } from './headers.ts';
import type { Header } from './headers.ts';
import { NO_BODY } from './sip-message.ts';
import type { SipRequest, SipResponse } from './sip-message.ts';
import { formatVia, parseVia } from './via.ts';

const REASONS: Readonly<Record<number, string>> = {
  100: 'Trying',
  180: 'Ringing',
  181: 'Call Is Being Forwarded',
  182: 'Queued',
  183: 'Session Progress',
  200: 'OK',
  202: 'Accepted',
  300: 'Multiple Choices',
  301: 'Moved Permanently',
  302: 'Moved Temporarily',
  305: 'Use Proxy',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  410: 'Gone',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  416: 'Unsupported URI Scheme',
  420: 'Bad Extension',
  421: 'Extension Required',
  480: 'Temporarily Unavailable',
  481: 'Call/Transaction Does Not Exist',
  482: 'Loop Detected',
  483: 'Too Many Hops',
  484: 'Address Incomplete',
  486: 'Busy Here',
  487: 'Request Terminated',
  488: 'Not Acceptable Here',
  491: 'Request Pending',
  500: 'Server Internal Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  504: 'Server Time-out',
  505: 'Version Not Supported',
  513: 'Message Too Large',
  600: 'Busy Everywhere',
  603: 'Decline',
};

/** The phrase of RFC 3261 section 21 for a status. */
function reasonPhrase(status: number): string {
  return REASONS[status] ?? 'Unknown';
}

export interface ResponseInit {
  status: number;
  reason?: string | undefined;
  headers?: Iterable<Header> | undefined;
  body?: Buffer | undefined;
  contentType?: string | undefined;
  /** Put into To when the request has none there; left out for 100. */
  toTag?: string | undefined;
}

/** RFC 3261 section 8.2.6: Via, From, To, Call-ID and CSeq are the request's. */
export function makeResponse(request: SipRequest, init: ResponseInit): SipResponse {
  const headers = new SipHeaders();
  for (const via of request.headers.getAll('Via')) headers.add('Via', via);
  for (const name of ['From', 'To', 'Call-ID', 'CSeq']) {
    const value = request.headers.get(name);
    if (value === undefined) continue;
    const needsTag =
      name === 'To' && init.status > 100 && init.toTag !== undefined && !/;\s*tag\s*=/i.test(value);
    headers.add(name, needsTag ? `${value};tag=${String(init.toTag)}` : value);
  }
  for (const [name, value] of init.headers ?? []) headers.add(name, value);
  if (init.contentType !== undefined) headers.add('Content-Type', init.contentType);
  return {
    kind: 'response',
    status: init.status,
    reason: init.reason ?? reasonPhrase(init.status),
    headers,
    body: init.body ?? NO_BODY,
  };
}

/** RFC 3261 section 18.2.1 and RFC 3581: writes where a request came from into its top Via. */
export function stampTopVia(
  request: SipRequest,
  source: { readonly address: string; readonly port: number },
): void {
  const [top, rest] = splitFirst(request.headers.get('Via') ?? '');
  const via = parseVia(top);
  if (via === undefined) return;
  const wantsPort = via.params.has('rport');
  if (!wantsPort && via.host === source.address) return;
  via.params.set('received', source.address);
  if (wantsPort) via.params.set('rport', String(source.port));
  const stamped = formatVia(via);
  request.headers.set('Via', rest === undefined ? stamped : `${stamped}, ${rest}`);
}
