import type { Header } from '../sip/message/headers.ts';

/** RFC 3326. */
export function reasonHeader(cause: number, text: string): Header {
  const clean = text.replace(/[^\x20-\x7e]/g, ' ').replace(/["\\]/g, "'");
  return ['Reason', `SIP;cause=${String(cause)};text="${clean.slice(0, 128)}"`];
}
