import { SipHeaders } from './headers.ts';
import { isToken, parseDecimal } from './grammar.ts';
import type { SipLimits } from '../limits.ts';

const CR = 13;
const LF = 10;
const SPACE = 32;
const TAB = 9;

/** Start line and header fields, before anybody asked what they mean. */
export interface Head {
  readonly startLine: string;
  readonly headers: SipHeaders;
  /** What is wrong with the form of it. */
  readonly problem: string | undefined;
}

/** Index of the first byte that is neither CR nor LF (RFC 3261 section 7.5: ignore them before a message). */
export function skipLineEnds(bytes: Buffer, from: number, to: number): number {
  let i = from;
  while (i < to && (bytes[i] === CR || bytes[i] === LF)) i++;
  return i;
}

/**
 * Looks for the empty line that ends the head. Lines may end with LF alone.
 * @returns index after it, or -1. A search that found nothing can go on at `to - 3` when more bytes arrived.
 */
export function findEndOfHead(bytes: Buffer, from: number, to: number): number {
  const view = bytes.subarray(0, to);
  for (let lf = view.indexOf(LF, from); lf !== -1; lf = view.indexOf(LF, lf + 1)) {
    if (view[lf + 1] === LF) return lf + 2;
    if (view[lf + 1] === CR && view[lf + 2] === LF) return lf + 3;
  }
  return -1;
}

/** Reads lines, joins folded ones, and splits names from values. Never throws; `problem` tells what is wrong. */
export function readHead(bytes: Buffer, limits: Pick<SipLimits, 'headerCount'>): Head {
  const headers = new SipHeaders();
  let startLine = '';
  let problem: string | undefined;
  let logical: string[] = [];
  let lineNumber = 0;

  const flush = (): void => {
    if (logical.length === 0) return;
    const text = logical.length === 1 ? (logical[0] ?? '') : logical.join(' ');
    logical = [];
    const colon = text.indexOf(':');
    const name = text.slice(0, Math.max(colon, 0)).trimEnd();
    if (!isToken(name)) problem ??= 'Malformed Header Field';
    else if (headers.size >= limits.headerCount) problem ??= 'Too Many Header Fields';
    else headers.add(name, text.slice(colon + 1).trim());
  };

  let position = 0;
  while (position < bytes.length) {
    const lf = bytes.indexOf(LF, position);
    const next = lf === -1 ? bytes.length : lf + 1;
    let end = lf === -1 ? bytes.length : lf;
    if (end > position && bytes[end - 1] === CR) end--;
    const first = bytes[position];
    let line = bytes.toString('utf8', position, end);
    position = next;
    if (line.includes('\r')) {
      // Another reader could see two lines here. What is left can still be echoed in the refusal.
      problem ??= 'Carriage Return in Header';
      line = line.replaceAll('\r', ' ');
    }
    if (lineNumber++ === 0) {
      startLine = line;
    } else if (line === '') {
      break;
    } else if (first === SPACE || first === TAB) {
      if (logical.length === 0) problem ??= 'Malformed Header Field';
      else logical.push(line.trim());
    } else {
      flush();
      logical.push(line);
    }
  }
  flush();
  return { startLine, headers, problem };
}

/** Bytes of the body as the head states them; undefined when it does not, `'invalid'` when it makes no sense. */
export function contentLength(headers: SipHeaders): number | undefined | 'invalid' {
  const values = headers.getAll('Content-Length');
  const [first] = values;
  if (first === undefined) return undefined;
  if (values.some((value) => value !== first)) return 'invalid';
  return parseDecimal(first, 2 ** 31) ?? 'invalid';
}
