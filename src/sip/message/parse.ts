import type { SipLimits } from '../limits.ts';
import { parseCSeq } from './cseq.ts';
import { isToken, parseDecimal, splitFirst } from './grammar.ts';
import { contentLength, findEndOfHead, readHead, skipLineEnds } from './head.ts';
import type { Head } from './head.ts';
import { parseNameAddr } from './name-addr.ts';
import { NO_BODY } from './sip-message.ts';
import type { SipMessage, SipRequest } from './sip-message.ts';
import { uriScheme } from './uri.ts';
import { parseVia } from './via.ts';

export interface ParseFailure {
  readonly ok: false;
  /** The response it deserves. */
  readonly status: number;
  readonly reason: string;
  /** What could be read of a request; undefined when it cannot be answered (no Via, a response, an ACK). */
  readonly request: SipRequest | undefined;
}

export type ParseOutcome = { readonly ok: true; readonly message: SipMessage } | ParseFailure;

/**
 * One datagram. Strict on what routing and matching rest upon (start line, top Via, CSeq, From, To, Call-ID,
 * Content-Length, Max-Forwards), lenient and lazy on the rest. Never throws.
 * @returns undefined when there is nothing but line ends (a keep-alive)
 */
export function parseDatagram(bytes: Buffer, limits: SipLimits): ParseOutcome | undefined {
  const start = skipLineEnds(bytes, 0, bytes.length);
  if (start === bytes.length) return undefined;
  const searchEnd = Math.min(bytes.length, start + limits.headerBytes);
  const found = findEndOfHead(bytes, start, searchEnd);
  const headEnd = found === -1 ? searchEnd : found;
  const head = readHead(bytes.subarray(start, headEnd), limits);
  // Some senders leave out the empty line when there is no body.
  if (found === -1 && searchEnd < bytes.length) return fail(head, 513, 'Message Too Large');

  const available = bytes.length - headEnd;
  const length = contentLength(head.headers) ?? available;
  if (length === 'invalid' || length > available) return fail(head, 400, 'Bad Content-Length');
  if (length > limits.bodyBytes) return fail(head, 413, 'Request Entity Too Large');
  return assemble(head, bytes.subarray(headEnd, headEnd + length));
}

/** Makes a message of a head and a body of the right length. */
export function assemble(head: Head, body: Buffer): ParseOutcome {
  if (head.problem !== undefined) return fail(head, 400, head.problem);
  const { startLine, headers } = head;
  return /^SIP\//i.test(startLine) ? response(head, body) : request(startLine, head, headers, body);
}

function response(head: Head, body: Buffer): ParseOutcome {
  const { startLine, headers } = head;
  const status = parseDecimal(startLine.slice(8, 11), 699);
  const separator = startLine.slice(11, 12);
  if (
    !/^SIP\/2\.0 /i.test(startLine) ||
    status === undefined ||
    status < 100 ||
    (separator !== ' ' && separator !== '')
  )
    return drop('Bad Status-Line');
  const problem = checkHeaders(head);
  if (problem !== undefined) return drop(problem);
  return {
    ok: true,
    message: { kind: 'response', status, reason: startLine.slice(12), headers, body },
  };
}

function request(
  startLine: string,
  head: Head,
  headers: SipRequest['headers'],
  body: Buffer,
): ParseOutcome {
  const parts = startLine.split(' ', 5);
  const [method = '', uri = '', version = ''] = parts;
  if (parts.length !== 3 || !isToken(method)) return fail(head, 400, 'Bad Request-Line');
  if (!/^SIP\/[0-9]+\.[0-9]+$/i.test(version)) return fail(head, 400, 'Bad Request-Line');
  if (version.toUpperCase() !== 'SIP/2.0') return fail(head, 505, 'Version Not Supported');
  if (uriScheme(uri) === undefined || /[\s<>"]/.test(uri))
    return fail(head, 400, 'Bad Request-URI');
  const problem = checkHeaders(head, method);
  if (problem !== undefined) return fail(head, 400, problem);
  return { ok: true, message: { kind: 'request', method, uri, headers, body } };
}

/** @returns what is wrong with the headers that everything rests upon */
function checkHeaders({ headers }: Head, method?: string): string | undefined {
  const [topVia] = splitFirst(headers.get('Via') ?? '');
  if (parseVia(topVia) === undefined) return 'Bad Via';
  for (const name of ['From', 'To']) {
    const [value, ...more] = headers.getAll(name);
    if (value === undefined || more.length > 0) return `Bad ${name}`;
    if (parseNameAddr(value) === undefined) return `Bad ${name}`;
  }
  const callIds = headers.getAll('Call-ID');
  if (callIds.length !== 1 || callIds[0] === '') return 'Bad Call-ID';
  const cseqs = headers.getAll('CSeq');
  const cseq = parseCSeq(cseqs[0] ?? '');
  if (cseqs.length !== 1 || cseq === undefined) return 'Bad CSeq';
  if (method !== undefined && cseq.method !== method) return 'CSeq Method Does Not Match';
  const maxForwards = headers.getAll('Max-Forwards');
  const [forwards] = maxForwards;
  if (
    maxForwards.length > 1 ||
    (forwards !== undefined && parseDecimal(forwards, 255) === undefined)
  )
    return 'Bad Max-Forwards';
  return undefined;
}

function drop(reason: string): ParseFailure {
  return { ok: false, status: 400, reason, request: undefined };
}

/** A failure that still carries what a response needs, where that could be read. */
export function fail(head: Head, status: number, reason: string): ParseFailure {
  const [method = '', uri = ''] = head.startLine.split(/\s+/, 3);
  const answerable =
    isToken(method) &&
    method !== 'ACK' &&
    !/^SIP\//i.test(head.startLine) &&
    head.headers.has('Via') &&
    head.headers.has('CSeq');
  const request: SipRequest | undefined = answerable
    ? { kind: 'request', method, uri, headers: head.headers, body: NO_BODY }
    : undefined;
  return { ok: false, status, reason, request };
}
