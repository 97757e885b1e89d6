import { TandemError } from '../../errors.ts';
import { headerKey } from './headers.ts';
import type { SipMessage } from './sip-message.ts';

const LINE_BREAK = /[\r\n]/;

/**
 * The bytes of a message. Content-Length is counted here, one among the headers is left out.
 * @throws TandemError `SIP_INVALID` when a header or the start line holds a line break: it would become another
 */
export function serialize(message: SipMessage): Buffer {
  const startLine =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0`
      : `SIP/2.0 ${String(message.status)} ${message.reason}`;
  if (LINE_BREAK.test(startLine)) throw lineBreak('start line');
  let head = `${startLine}\r\n`;
  for (const [name, value] of message.headers) {
    if (headerKey(name) === 'content-length') continue;
    if (LINE_BREAK.test(value) || LINE_BREAK.test(name)) throw lineBreak(name);
    head += `${name}: ${value}\r\n`;
  }
  head += `Content-Length: ${String(message.body.length)}\r\n\r\n`;
  const headBytes = Buffer.from(head, 'utf8');
  return message.body.length === 0 ? headBytes : Buffer.concat([headBytes, message.body]);
}

function lineBreak(field: string): TandemError {
  return new TandemError('SIP_INVALID', `line break in SIP header: ${JSON.stringify(field)}`, {
    details: { field },
  });
}
