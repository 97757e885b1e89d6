/** RFC 7865 recording metadata: the words, and how Tandem fills them in. Ids are as they stand in XML. */

export const METADATA_NAMESPACE = 'urn:ietf:params:xml:ns:recording:1';
/** RFC 7866 says `application/rs-metadata`, RFC 7865 and the field `application/rs-metadata+xml`. */
export const METADATA_TYPE = 'application/rs-metadata+xml';
export const METADATA_REQUEST_TYPE = 'application/rs-metadata-request';
export const METADATA_DISPOSITION = 'recording-session';

export interface NameId {
  readonly aor: string;
  readonly name?: string;
}

export interface MetadataGroup {
  readonly groupId: string;
  readonly associateTime?: string;
}

export interface MetadataSession {
  readonly sessionId: string;
  readonly groupRef?: string;
  readonly startTime?: string;
  readonly stopTime?: string;
}

export interface MetadataParticipant {
  readonly participantId: string;
  readonly nameIds: readonly NameId[];
}

export interface MetadataStream {
  readonly streamId: string;
  readonly sessionId?: string;
  readonly label: string;
}

/** `associateTime` and `disassociateTime`: RFC 3339. */
export interface AssociationTimes {
  readonly associateTime?: string;
  readonly disassociateTime?: string;
}

export interface SessionRecordingAssociation extends AssociationTimes {
  readonly sessionId: string;
}

export interface ParticipantSessionAssociation extends AssociationTimes {
  readonly participantId: string;
  readonly sessionId: string;
}

export interface ParticipantStreamAssociation extends AssociationTimes {
  readonly participantId: string;
  /** Ids of the streams that the participant sends, and of those it hears. */
  readonly send: readonly string[];
  readonly recv: readonly string[];
}

export interface RecordingMetadata {
  readonly dataMode: 'complete' | 'partial';
  readonly groups: readonly MetadataGroup[];
  readonly sessions: readonly MetadataSession[];
  readonly participants: readonly MetadataParticipant[];
  readonly streams: readonly MetadataStream[];
  readonly sessionRecordings: readonly SessionRecordingAssociation[];
  readonly participantSessions: readonly ParticipantSessionAssociation[];
  readonly participantStreams: readonly ParticipantStreamAssociation[];
}

/** RFC 3339 with capital T and Z (RFC 7865 section 6.9). */
export function metadataTime(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

/** Who sends the stream with this label, as far as the metadata says. */
export function senderOf(
  metadata: RecordingMetadata,
  label: string,
): MetadataParticipant | undefined {
  const streamIds = metadata.streams.filter((s) => s.label === label).map((s) => s.streamId);
  const sender = metadata.participantStreams.find(({ send }) =>
    send.some((id) => streamIds.includes(id)),
  );
  return metadata.participants.find((p) => p.participantId === sender?.participantId);
}
