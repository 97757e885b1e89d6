import type { SipMessage } from '../message/sip-message.ts';

/** Whether a message carries SDP, alone or as a part of a multipart body. */
export function carriesSdp({ headers, body }: SipMessage): boolean {
  if (body.length === 0) return false;
  const type = (headers.get('Content-Type') ?? '').trimStart().toLowerCase();
  if (type.startsWith('application/sdp')) return true;
  return (
    type.startsWith('multipart/') &&
    /^content-type\s*:\s*application\/sdp|^c\s*:\s*application\/sdp/im.test(body.toString('latin1'))
  );
}
