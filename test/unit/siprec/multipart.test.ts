import { expect, test } from 'vitest';
import { buildMultipart, parseBody } from '../../../src/siprec/multipart.ts';

const sdp = Buffer.from('v=0\r\ns=-\r\n');
const binary = Buffer.from([0, 13, 10, 45, 45, 255, 13, 10]);

test('gives back the bytes of every part', () => {
  const { contentType, body } = buildMultipart([
    { contentType: 'application/sdp', body: sdp },
    { contentType: 'application/x', disposition: 'recording-session', body: binary },
  ]);
  expect(parseBody(contentType, body)).toEqual([
    { contentType: 'application/sdp', body: sdp },
    { contentType: 'application/x', disposition: 'recording-session', body: binary },
  ]);
});

test('takes line feeds alone, a preamble, folded headers, and no closing delimiter', () => {
  const body = Buffer.from(
    'preamble\n--b\ncontent-type: application/sdp;\n charset=utf-8\n\nv=0\n\n--b\n\nplain',
  );
  expect(parseBody('Multipart/Mixed; boundary="b"; x=y', body)).toEqual([
    { contentType: 'application/sdp; charset=utf-8', body: Buffer.from('v=0\n') },
    { contentType: 'text/plain', body: Buffer.from('plain') },
  ]);
});

test('does not take a longer boundary, or one inside a line, for its own', () => {
  const body = Buffer.from('--b\r\n\r\nx --b\r\n--bb\r\ny\r\n--b--\r\nepilogue');
  expect(parseBody('multipart/mixed;boundary=b', body)).toEqual([
    { contentType: 'text/plain', body: Buffer.from('x --b\r\n--bb\r\ny') },
  ]);
});

test('takes a body that is not multipart as its only part', () => {
  expect(parseBody('application/sdp', sdp)).toEqual([
    { contentType: 'application/sdp', body: sdp },
  ]);
  expect(parseBody('', Buffer.alloc(0))).toEqual([]);
});

test('refuses a multipart body without boundary, without parts, or with too many', () => {
  expect(() => parseBody('multipart/mixed', sdp)).toThrow(/without boundary/);
  expect(() => parseBody('multipart/mixed;boundary=b', sdp)).toThrow(/without parts/);
  const many = Buffer.from('--b\r\n\r\nx\r\n'.repeat(40));
  expect(() => parseBody('multipart/mixed;boundary=b', many)).toThrow(/more than 16/);
});
