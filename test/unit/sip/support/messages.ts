import { readFileSync, readdirSync } from 'node:fs';
import { DEFAULT_SIP_LIMITS } from '../../../../src/sip/limits.ts';
import { parseDatagram } from '../../../../src/sip/message/parse.ts';
import type {
  SipMessage,
  SipRequest,
  SipResponse,
} from '../../../../src/sip/message/sip-message.ts';

const TORTURE = new URL('../../../../node_modules/sip/test/messages/', import.meta.url);

/** The messages of RFC 4475, as the npm package `sip` ships them. */
export function tortureMessages(): { name: string; bytes: Buffer }[] {
  return readdirSync(TORTURE)
    .filter((file) => file.endsWith('.dat'))
    .map((file) => ({
      name: file.slice(0, -'.dat'.length),
      bytes: readFileSync(new URL(file, TORTURE)),
    }));
}

/** Lines with CRLF, an empty line, the body. */
export function wire(lines: readonly string[], body = ''): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

export function parsed(bytes: Buffer): SipMessage {
  const outcome = parseDatagram(bytes, DEFAULT_SIP_LIMITS);
  if (outcome?.ok !== true) throw new Error(`does not parse: ${outcome?.reason ?? 'empty'}`);
  return outcome.message;
}

/** A valid request from 192.0.2.2. */
export function request(method: string, branch = 'z9hG4bKtest'): SipRequest {
  const message = parsed(
    wire([
      `${method} sip:rec@192.0.2.1 SIP/2.0`,
      `Via: SIP/2.0/UDP 192.0.2.2:5060;branch=${branch};rport`,
      'Max-Forwards: 70',
      'From: <sip:src@192.0.2.2>;tag=from',
      'To: <sip:rec@192.0.2.1>',
      'Call-ID: call',
      `CSeq: 1 ${method}`,
      'Content-Length: 0',
    ]),
  );
  if (message.kind !== 'request') throw new Error('not a request');
  return message;
}

/** A response to it. */
export function response(to: SipRequest, status: number): SipResponse {
  const message = parsed(
    wire([
      `SIP/2.0 ${String(status)} Whatever`,
      `Via: ${to.headers.get('Via') ?? ''}`,
      'From: <sip:src@192.0.2.2>;tag=from',
      'To: <sip:rec@192.0.2.1>;tag=to',
      'Call-ID: call',
      `CSeq: ${to.headers.get('CSeq') ?? ''}`,
      'Content-Length: 0',
    ]),
  );
  if (message.kind !== 'response') throw new Error('not a response');
  return message;
}
