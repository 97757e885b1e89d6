import type { Party, Payload, RecordedStream } from '../recording/interfaces.ts';
import { bothParties, otherParty, streamIndex, type PartyPort } from './party.ts';

/** What a recorder is told of a call's streams. None while the parties exchange no media. */
export function recordedStreams(
  ports: Readonly<Record<Party, PartyPort>>,
  negotiated: readonly Payload[],
): readonly RecordedStream[] {
  if (negotiated.length === 0) return [];
  return bothParties.map((party) => {
    const own = ports[party].audio;
    // What a party sends is shaped by what the other said it takes.
    const peer = ports[otherParty(party)].audio;
    const payloads = negotiated.map((payload) => {
      const said = [peer, own].flatMap((audio) => audio?.payloads ?? []);
      const stated = said.find(
        ({ payloadType, fmtp }) => payloadType === payload.payloadType && fmtp !== undefined,
      );
      return stated ?? payload;
    });
    const ptimeMs = peer?.ptimeMs ?? own?.ptimeMs;
    return {
      party,
      index: streamIndex[party],
      ssrc: ports[party].opened.ssrc,
      payloads,
      ...(ptimeMs !== undefined && { ptimeMs }),
    };
  });
}
