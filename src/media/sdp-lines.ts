import { TandemError } from '../errors.ts';

/** Longer ones are refused before they are looked into. */
const sdpBytesMax = 65_536;
const linesMax = 1_000;
const lineCharsMax = 4_096;

export interface SdpLine {
  readonly type: string;
  readonly value: string;
}

export function sdpInvalid(field: string, value: unknown, reason: string): TandemError {
  const shown = typeof value === 'string' ? value.slice(0, 200) : value;
  return new TandemError('SDP_INVALID', `SDP ${field}: ${reason}`, {
    details: { field, value: shown, reason },
  });
}

/** RFC 8866 section 5: `type=value` lines, the first of them `v=0`. Bare line feeds are taken too (section 9 asks for it). */
export function readSdpLines(sdp: string): readonly SdpLine[] {
  const bytes = Buffer.byteLength(sdp);
  if (bytes > sdpBytesMax) {
    throw sdpInvalid('sdp', bytes, `longer than ${sdpBytesMax} bytes`);
  }
  const texts = sdp.split(/\r\n|\r|\n/);
  while (texts.at(-1)?.trim() === '') texts.pop();
  if (texts.length > linesMax) {
    throw sdpInvalid('sdp', texts.length, `more than ${linesMax} lines`);
  }
  const lines = texts.map((text): SdpLine => {
    if (text.length > lineCharsMax) {
      throw sdpInvalid('sdp', text, `a line longer than ${lineCharsMax} characters`);
    }
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    const match = /^([a-z])=([^\u0000-\u0008\u000a-\u001f\u007f]*)$/.exec(text);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw sdpInvalid('sdp', text, 'not a line of the form type=value');
    }
    return { type: match[1], value: match[2].trimEnd() };
  });
  const [version] = lines;
  if (version?.type !== 'v' || version.value !== '0') {
    throw sdpInvalid('v', version?.value ?? '', 'does not begin with v=0');
  }
  return lines;
}
