import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import type { CommunicationSession, RecordedStream } from '../../../src/recording/interfaces.ts';
import { buildMetadataXml, parseMetadataXml } from '../../../src/siprec/metadata-xml.ts';
import { senderOf } from '../../../src/siprec/metadata.ts';
import { snapshotOf } from '../../../src/siprec/snapshot.ts';
import { metadataIdOf, uuidOf } from '../../../src/siprec/uuid-id.ts';

const session: CommunicationSession = {
  callId: 'c1',
  sessionId: randomUUID(),
  groupId: randomUUID(),
  startedAt: Date.UTC(2026, 10, 21, 1, 2, 3, 456),
  participants: {
    a: {
      participantId: randomUUID(),
      streamId: randomUUID(),
      aor: 'sip:alice@a.example',
      name: 'Alice & "Bob" <é>',
    },
    b: { participantId: randomUUID(), streamId: randomUUID(), aor: 'tel:+4930123' },
  },
};

const payloads = [{ payloadType: 0, encodingName: 'PCMU', clockRate: 8_000, channels: 1 }];
const streams: RecordedStream[] = [
  { party: 'a', index: 0, ssrc: 1, payloads },
  { party: 'b', index: 1, ssrc: 2, payloads },
];

test('gives back from XML what was written, names with markup characters included', () => {
  const snapshot = snapshotOf(session, streams);
  expect(parseMetadataXml(buildMetadataXml(snapshot))).toEqual(snapshot);
});

test('writes every UUID as base64 of its sixteen bytes, the same in each snapshot of the call', () => {
  const xml = buildMetadataXml(snapshotOf(session, streams)).toString();
  const id = Buffer.from(session.sessionId.replaceAll('-', ''), 'hex').toString('base64');
  expect(xml).toContain(`session_id="${id}"`);
  expect(xml).toBe(buildMetadataXml(snapshotOf(session, streams)).toString());
  expect(uuidOf(metadataIdOf(session.sessionId))).toBe(session.sessionId);
  expect(xml).toContain('<start-time>2026-11-21T01:02:03.456Z</start-time>');
});

test('says who sends and who hears each labelled stream', () => {
  const snapshot = parseMetadataXml(buildMetadataXml(snapshotOf(session, streams)));
  expect(senderOf(snapshot, '1')?.nameIds[0]?.aor).toBe('sip:alice@a.example');
  expect(senderOf(snapshot, '2')?.nameIds[0]?.aor).toBe('tel:+4930123');
  expect(snapshot.participantStreams[0]?.recv).toEqual(snapshot.participantStreams[1]?.send);
});

test('reads the example of RFC 7865 with a namespace prefix, and dataMode in either writing', () => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
    <rs:recording xmlns:rs='urn:ietf:params:xml:ns:recording:1'>
      <rs:dataMode>partial</rs:dataMode>
      <rs:session session_id="hVpd7YQgRW2nD22h7q60JQ=="/>
      <rs:participant participant_id="srfBElmCRp2QB23b7Mpk0w==">
        <rs:nameID aor="sip:bob@biloxi.com"><rs:name xml:lang="it">Bob</rs:name></rs:nameID>
      </rs:participant>
      <rs:stream stream_id="UAAMm5GRQKSCMVvLyl4rFw==" session_id="hVpd7YQgRW2nD22h7q60JQ==">
        <rs:label>96</rs:label>
      </rs:stream>
      <rs:participantstreamassoc participant_id="srfBElmCRp2QB23b7Mpk0w==">
        <rs:send>UAAMm5GRQKSCMVvLyl4rFw==</rs:send>
      </rs:participantstreamassoc>
    </rs:recording>`;
  const metadata = parseMetadataXml(Buffer.from(xml));
  expect(metadata.dataMode).toBe('partial');
  expect(senderOf(metadata, '96')?.nameIds).toEqual([{ aor: 'sip:bob@biloxi.com', name: 'Bob' }]);
});

test('refuses entity definitions, other documents, and too much', () => {
  const refused = (xml: string | Buffer): void => {
    expect(() => parseMetadataXml(Buffer.from(xml))).toThrow(/recording metadata/);
  };
  refused('<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><recording>&x;</recording>');
  refused('<other/>');
  refused('not xml at all');
  refused(Buffer.alloc(300_000, 0x20));
});

test('does not expand entities it does not know', () => {
  const xml =
    '<recording><participant participant_id="p"><nameID aor="&xxe;&#x41;"/></participant></recording>';
  expect(parseMetadataXml(Buffer.from(xml)).participants[0]?.nameIds[0]?.aor).toBe('&xxe;A');
});
