import { randomBytes } from 'node:crypto';
import type { CallRequest } from '../call-state.ts';
import type { CommunicationSession, Participant, Party } from '../interfaces.ts';

/** The same in both recording sessions of a call (RFC 7865). */
export type Identity = Omit<CommunicationSession, 'startedAt'>;

export function newIdentity(callId: string, parties: CallRequest['parties']): Identity {
  const participant = (party: Party): Participant => {
    const given = parties?.[party];
    return {
      participantId: uuid(),
      streamId: uuid(),
      aor: given?.aor ?? `sip:${party}@${encodeURIComponent(callId)}.invalid`,
      ...(given?.name === undefined ? {} : { name: given.name }),
    };
  };
  return {
    callId,
    sessionId: uuid(),
    groupId: uuid(),
    participants: { a: participant('a'), b: participant('b') },
  };
}

/** RFC 7865 6.10: a UUID, base64. Version 4. */
function uuid(): string {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('base64');
}
