import { XMLParser } from 'fast-xml-parser';
import { messageOf, TandemError } from '../errors.ts';
import { METADATA_NAMESPACE } from './metadata.ts';
import type { AssociationTimes, NameId, RecordingMetadata } from './metadata.ts';

/** RFC 7865 section 9: metadata to XML and back. */

const METADATA_BYTES_MAX = 262_144;
/** Of each kind of element. */
const ELEMENTS_MAX = 1_000;

// Entities are decoded here, and only the five that XML itself knows: nothing in a document can define more.
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: true,
  processEntities: false,
  alwaysCreateTextNode: true,
  isArray: (_name, _path, _leaf, isAttribute) => !isAttribute,
});

type Element = Readonly<Record<string, unknown>>;

export function buildMetadataXml(metadata: RecordingMetadata): Buffer {
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>'];
  const open = (indent: number, text: string): number =>
    lines.push(`${'  '.repeat(indent)}${text}`);
  const times = ({ associateTime, disassociateTime }: AssociationTimes): void => {
    if (associateTime !== undefined) open(2, element('associate-time', associateTime));
    if (disassociateTime !== undefined) open(2, element('disassociate-time', disassociateTime));
  };
  open(0, `<recording xmlns="${METADATA_NAMESPACE}">`);
  open(1, element('datamode', metadata.dataMode));
  for (const { groupId, associateTime } of metadata.groups) {
    open(1, `<group group_id="${escape(groupId)}">`);
    times(associateTime === undefined ? {} : { associateTime });
    open(1, '</group>');
  }
  for (const { sessionId, groupRef, startTime, stopTime } of metadata.sessions) {
    open(1, `<session session_id="${escape(sessionId)}">`);
    if (groupRef !== undefined) open(2, element('group-ref', groupRef));
    if (startTime !== undefined) open(2, element('start-time', startTime));
    if (stopTime !== undefined) open(2, element('stop-time', stopTime));
    open(1, '</session>');
  }
  for (const { participantId, nameIds } of metadata.participants) {
    open(1, `<participant participant_id="${escape(participantId)}">`);
    for (const { aor, name } of nameIds) {
      if (name === undefined) open(2, `<nameID aor="${escape(aor)}"/>`);
      else open(2, `<nameID aor="${escape(aor)}">${element('name', name)}</nameID>`);
    }
    open(1, '</participant>');
  }
  for (const { streamId, sessionId, label } of metadata.streams) {
    const session = sessionId === undefined ? '' : ` session_id="${escape(sessionId)}"`;
    open(1, `<stream stream_id="${escape(streamId)}"${session}>`);
    open(2, element('label', label));
    open(1, '</stream>');
  }
  for (const association of metadata.sessionRecordings) {
    open(1, `<sessionrecordingassoc session_id="${escape(association.sessionId)}">`);
    times(association);
    open(1, '</sessionrecordingassoc>');
  }
  for (const association of metadata.participantSessions) {
    const { participantId, sessionId } = association;
    open(
      1,
      `<participantsessionassoc participant_id="${escape(participantId)}" session_id="${escape(sessionId)}">`,
    );
    times(association);
    open(1, '</participantsessionassoc>');
  }
  for (const association of metadata.participantStreams) {
    open(1, `<participantstreamassoc participant_id="${escape(association.participantId)}">`);
    for (const id of association.send) open(2, element('send', id));
    for (const id of association.recv) open(2, element('recv', id));
    times(association);
    open(1, '</participantstreamassoc>');
  }
  open(0, '</recording>');
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** @throws SIPREC_INVALID: too large, with a document type declaration, not XML, or not a recording. */
export function parseMetadataXml(xml: Buffer): RecordingMetadata {
  if (xml.length > METADATA_BYTES_MAX) {
    throw invalid(`more than ${String(METADATA_BYTES_MAX)} bytes`);
  }
  const text = xml.toString('utf8');
  if (text.includes('<!DOCTYPE') || text.includes('<!ENTITY')) {
    throw invalid('document type declarations are not taken');
  }
  let document: Element;
  try {
    document = parser.parse(text) as Element;
  } catch (cause) {
    throw invalid(messageOf(cause), cause);
  }
  const [root] = children(document, 'recording');
  if (root === undefined) throw invalid('no recording element');
  const mode = (textOf(root, 'datamode') ?? textOf(root, 'dataMode') ?? 'complete').toLowerCase();
  return {
    dataMode: mode === 'partial' ? 'partial' : 'complete',
    groups: children(root, 'group').map((group) => ({
      groupId: attribute(group, 'group_id') ?? '',
      ...optional('associateTime', textOf(group, 'associate-time')),
    })),
    sessions: children(root, 'session').map((session) => ({
      sessionId: attribute(session, 'session_id') ?? '',
      ...optional('groupRef', textOf(session, 'group-ref')),
      ...optional('startTime', textOf(session, 'start-time')),
      ...optional('stopTime', textOf(session, 'stop-time')),
    })),
    participants: children(root, 'participant').map((participant) => ({
      participantId: attribute(participant, 'participant_id') ?? '',
      nameIds: children(participant, 'nameID').map(nameIdOf),
    })),
    streams: children(root, 'stream').map((stream) => ({
      streamId: attribute(stream, 'stream_id') ?? '',
      ...optional('sessionId', attribute(stream, 'session_id')),
      label: textOf(stream, 'label') ?? '',
    })),
    sessionRecordings: children(root, 'sessionrecordingassoc').map((association) => ({
      sessionId: attribute(association, 'session_id') ?? '',
      ...timesOf(association),
    })),
    participantSessions: children(root, 'participantsessionassoc').map((association) => ({
      participantId: attribute(association, 'participant_id') ?? '',
      sessionId: attribute(association, 'session_id') ?? '',
      ...timesOf(association),
    })),
    participantStreams: children(root, 'participantstreamassoc').map((association) => ({
      participantId: attribute(association, 'participant_id') ?? '',
      send: textsOf(association, 'send'),
      recv: textsOf(association, 'recv'),
      ...timesOf(association),
    })),
  };
}

function nameIdOf(element: Element): NameId {
  return { aor: attribute(element, 'aor') ?? '', ...optional('name', textOf(element, 'name')) };
}

function timesOf(element: Element): AssociationTimes {
  return {
    ...optional('associateTime', textOf(element, 'associate-time')),
    ...optional('disassociateTime', textOf(element, 'disassociate-time')),
  };
}

function children(parent: Element, name: string): Element[] {
  const value = Object.hasOwn(parent, name) ? parent[name] : undefined;
  if (!Array.isArray(value)) return [];
  if (value.length > ELEMENTS_MAX) throw invalid(`more than ${String(ELEMENTS_MAX)} of ${name}`);
  return value.filter((child) => typeof child === 'object' && child !== null) as Element[];
}

function textsOf(parent: Element, name: string): string[] {
  return children(parent, name).map(({ '#text': text }) =>
    typeof text === 'string' ? unescape(text) : '',
  );
}

function textOf(parent: Element, name: string): string | undefined {
  return textsOf(parent, name)[0];
}

function attribute(element: Element, name: string): string | undefined {
  const value = element[`@${name}`];
  return typeof value === 'string' ? unescape(value) : undefined;
}

function optional<K extends string>(key: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined ? {} : ({ [key]: value } as Partial<Record<K, string>>);
}

function element(name: string, text: string): string {
  return `<${name}>${escape(text)}</${name}>`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};
const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

function escape(text: string): string {
  // Control characters cannot stand in XML 1.0 at all.
  // eslint-disable-next-line no-control-regex
  const clean = text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd');
  return clean.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}

function unescape(text: string): string {
  return text.replace(/&(#x[0-9a-f]{1,6}|#\d{1,7}|[a-z]{2,4});/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return ENTITIES[name] ?? whole;
    const code = /^#x/i.test(name) ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function invalid(why: string, cause?: unknown): TandemError {
  return new TandemError('SIPREC_INVALID', `recording metadata: ${why}`, {
    cause,
    details: { field: 'metadata' },
  });
}
