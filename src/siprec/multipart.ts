import { randomUUID } from 'node:crypto';
import { TandemError } from '../errors.ts';

/** MIME multipart bodies (RFC 2046 section 5.1), as bytes: a part's body is never decoded here. */

const PARTS_MAX = 16;
const PART_HEADER_BYTES_MAX = 8_192;
const CRLF = Buffer.from('\r\n');

export interface BodyPart {
  /** With its parameters; `text/plain` (RFC 2046 section 5.2) where the part has none. */
  readonly contentType: string;
  readonly disposition?: string;
  readonly body: Buffer;
}

/** Media type in lower case, without parameters. */
export function mediaTypeOf(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** @param token not to be found in any part */
export function buildMultipart(
  parts: readonly BodyPart[],
  token: string = randomUUID(),
): { contentType: string; body: Buffer } {
  const boundary = `tandem-${token}`;
  const chunks: Buffer[] = [];
  for (const { contentType, disposition, body } of parts) {
    const headers = [`--${boundary}`, `Content-Type: ${contentType}`];
    if (disposition !== undefined) headers.push(`Content-Disposition: ${disposition}`);
    chunks.push(Buffer.from(`${headers.join('\r\n')}\r\n\r\n`), body, CRLF);
  }
  chunks.push(Buffer.from(`--${boundary}--\r\n`));
  return { contentType: `multipart/mixed;boundary=${boundary}`, body: Buffer.concat(chunks) };
}

/**
 * The parts of a body: those of a multipart one, else the body itself as a single part. Lines may end in LF alone, the
 * closing delimiter may be missing.
 * @throws SIPREC_INVALID without boundary, or with none of its delimiters, or with more than 16 parts.
 */
export function parseBody(contentType: string, body: Buffer): BodyPart[] {
  if (!mediaTypeOf(contentType).startsWith('multipart/')) {
    return body.length === 0 ? [] : [{ contentType, body }];
  }
  const boundary = /;\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  const name = boundary?.[1] ?? boundary?.[2];
  if (name === undefined) throw invalid('multipart body without boundary');
  const delimiters = findDelimiters(body, Buffer.from(`--${name}`));
  const parts: BodyPart[] = [];
  for (const [index, { contentStart, closing }] of delimiters.entries()) {
    if (closing) break;
    const end = delimiters[index + 1]?.lineStart ?? body.length;
    parts.push(parsePart(body.subarray(contentStart, end)));
  }
  if (parts.length === 0) throw invalid('multipart body without parts');
  return parts;
}

interface Delimiter {
  /** Where the line break before the delimiter begins: it belongs to the delimiter. */
  readonly lineStart: number;
  readonly contentStart: number;
  readonly closing: boolean;
}

function findDelimiters(body: Buffer, delimiter: Buffer): Delimiter[] {
  const found: Delimiter[] = [];
  let from = 0;
  for (;;) {
    const at = body.indexOf(delimiter, from);
    if (at < 0) return found;
    from = at + delimiter.length;
    if (at > 0 && body[at - 1] !== 0x0a) continue;
    const closing = body[from] === 0x2d && body[from + 1] === 0x2d;
    const lineEnd = body.indexOf(0x0a, from);
    const rest = body
      .toString('latin1', closing ? from + 2 : from, lineEnd < 0 ? body.length : lineEnd)
      .trim();
    // A longer boundary that begins with ours is not ours.
    if (rest !== '') continue;
    let lineStart = at;
    if (lineStart > 0) lineStart -= 1;
    if (lineStart > 0 && body[lineStart - 1] === 0x0d) lineStart -= 1;
    found.push({ lineStart, contentStart: lineEnd < 0 ? body.length : lineEnd + 1, closing });
    if (closing) return found;
    if (found.length > PARTS_MAX) {
      throw invalid(`multipart body of more than ${String(PARTS_MAX)} parts`);
    }
  }
}

function parsePart(part: Buffer): BodyPart {
  const { headers, body } = splitHeaders(part);
  const disposition = headers.get('content-disposition');
  return {
    contentType: headers.get('content-type') ?? 'text/plain',
    ...(disposition === undefined ? {} : { disposition }),
    body,
  };
}

function splitHeaders(part: Buffer): { headers: Map<string, string>; body: Buffer } {
  const headers = new Map<string, string>();
  let last: string | undefined;
  let at = 0;
  while (at < part.length) {
    const lineEnd = part.indexOf(0x0a, at);
    const line = part.toString('utf8', at, lineEnd < 0 ? part.length : lineEnd).replace(/\r$/, '');
    at = lineEnd < 0 ? part.length : lineEnd + 1;
    if (line === '') return { headers, body: part.subarray(at) };
    if (at > PART_HEADER_BYTES_MAX) throw invalid('multipart body with too long part headers');
    const colon = line.indexOf(':');
    if (/^[ \t]/.test(line) && last !== undefined) {
      headers.set(last, `${headers.get(last) ?? ''} ${line.trim()}`);
    } else if (colon > 0) {
      last = line.slice(0, colon).trim().toLowerCase();
      headers.set(last, line.slice(colon + 1).trim());
    }
  }
  return { headers, body: part.subarray(part.length) };
}

function invalid(message: string): TandemError {
  return new TandemError('SIPREC_INVALID', message, { details: { field: 'body' } });
}
