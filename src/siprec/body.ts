import type { BodyPart } from './multipart.ts';
import { buildMultipart, mediaTypeOf, parseBody } from './multipart.ts';
import { METADATA_DISPOSITION, METADATA_REQUEST_TYPE, METADATA_TYPE } from './metadata.ts';

/** What the body of a SIPREC message holds (RFC 7866 section 9.1), alone or as parts of a multipart one. */
export interface SiprecBody {
  readonly sdp?: Buffer;
  readonly metadata?: Buffer;
  /** The recorder asks for a full snapshot (section 9.2). */
  readonly requestsSnapshot: boolean;
}

const METADATA_TYPES: readonly string[] = [METADATA_TYPE, 'application/rs-metadata'];
const METADATA_REQUEST_TYPES: readonly string[] = [
  METADATA_REQUEST_TYPE,
  `${METADATA_REQUEST_TYPE}+xml`,
];

/** Bodies of other types are passed over. @throws SIPREC_INVALID when a multipart body cannot be taken apart. */
export function readSiprecBody(contentType: string, body: Buffer): SiprecBody {
  const parts = parseBody(contentType, body);
  const find = (types: readonly string[]): BodyPart | undefined =>
    parts.find((part) => types.includes(mediaTypeOf(part.contentType)));
  const sdp = find(['application/sdp']);
  const metadata = find(METADATA_TYPES);
  return {
    ...(sdp === undefined ? {} : { sdp: sdp.body }),
    ...(metadata === undefined ? {} : { metadata: metadata.body }),
    requestsSnapshot: find(METADATA_REQUEST_TYPES) !== undefined,
  };
}

export function buildSiprecBody(
  sdp: Buffer,
  metadata: Buffer,
  token?: string,
): { contentType: string; body: Buffer } {
  const parts = [
    { contentType: 'application/sdp', body: sdp },
    { contentType: METADATA_TYPE, disposition: METADATA_DISPOSITION, body: metadata },
  ];
  return buildMultipart(parts, token);
}
