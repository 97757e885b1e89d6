/** RFC 7865 section 6.10: an id in metadata is the base64 of the sixteen bytes of a UUID (RFC 4122). */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Anything that is not a UUID stays as it is: it is then an id that somebody else made. */
export function metadataIdOf(uuid: string): string {
  return UUID.test(uuid) ? Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64') : uuid;
}

/** The UUID in its usual writing, or the id unchanged when it is not the base64 of sixteen bytes. */
export function uuidOf(metadataId: string): string {
  if (!/^[A-Za-z0-9+/]{22}==$/.test(metadataId)) return metadataId;
  const hex = Buffer.from(metadataId, 'base64').toString('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}
