import type { CommunicationSession, Party, RecordedStream } from '../recording/interfaces.ts';
import { metadataTime } from './metadata.ts';
import type { RecordingMetadata } from './metadata.ts';
import { metadataIdOf } from './uuid-id.ts';

const parties: readonly Party[] = ['a', 'b'];

/** Labels are scoped to one message: the m-line's position, counted from 1. */
export function labelOf(stream: Pick<RecordedStream, 'index'>): string {
  return String(stream.index + 1);
}

/**
 * The full snapshot of a call. Everything in it is the same in each of the call's recording sessions; what tells them
 * apart is the record identifier in the Request-URI alone.
 */
export function snapshotOf(
  session: CommunicationSession,
  streams: readonly RecordedStream[],
): RecordingMetadata {
  const startedAt = metadataTime(session.startedAt);
  const sessionId = metadataIdOf(session.sessionId);
  const groupId = metadataIdOf(session.groupId);
  const idOf = (party: Party): string => metadataIdOf(session.participants[party].participantId);
  const streamIdsOf = (which: (party: Party) => boolean): string[] =>
    streams
      .filter(({ party }) => which(party))
      .map(({ party }) => metadataIdOf(session.participants[party].streamId));
  return {
    dataMode: 'complete',
    groups: [{ groupId, associateTime: startedAt }],
    sessions: [{ sessionId, groupRef: groupId, startTime: startedAt }],
    participants: parties.map((party) => {
      const { aor, name } = session.participants[party];
      return {
        participantId: idOf(party),
        nameIds: [{ aor, ...(name === undefined ? {} : { name }) }],
      };
    }),
    streams: streams.map((stream) => ({
      streamId: metadataIdOf(session.participants[stream.party].streamId),
      sessionId,
      label: labelOf(stream),
    })),
    sessionRecordings: [{ sessionId, associateTime: startedAt }],
    participantSessions: parties.map((party) => ({
      participantId: idOf(party),
      sessionId,
      associateTime: startedAt,
    })),
    participantStreams: parties.map((party) => ({
      participantId: idOf(party),
      send: streamIdsOf((sender) => sender === party),
      recv: streamIdsOf((sender) => sender !== party),
      associateTime: startedAt,
    })),
  };
}
