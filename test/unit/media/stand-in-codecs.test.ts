import { describe, expect, it } from 'vitest';
import { assignStandIns, carriableCodecs } from '../../../src/media/stand-in-codecs.ts';
import type { Payload } from '../../../src/recording/interfaces.ts';

function payloads(...texts: readonly string[]): Payload[] {
  return texts.map((text) => {
    const [payloadType, encodingName, clockRate, channels] = text.split(/[ /]/);
    return {
      payloadType: Number(payloadType),
      encodingName: encodingName ?? '',
      clockRate: Number(clockRate),
      channels: Number(channels ?? 1),
    };
  });
}

function assigned(...texts: readonly string[]): string[] | undefined {
  return assignStandIns(payloads(...texts))?.map(
    ({ payloadType, mimeType, clockRate }) => `${payloadType} ${mimeType}/${clockRate}`,
  );
}

const telephony = [
  '0 PCMU/8000',
  '8 PCMA/8000',
  '9 G722/8000',
  '18 G729/8000',
  '111 opus/48000/2',
  '101 telephone-event/8000',
  '110 telephone-event/48000',
  '13 CN/8000',
];

describe('stand-in codecs', () => {
  it('gives every codec that mediasoup knows its own name', () => {
    expect(assigned('0 PCMU/8000', '9 G722/8000', '111 opus/48000/2')).toEqual([
      '0 audio/PCMU/8000',
      '9 audio/G722/8000',
      '111 audio/opus/48000',
    ]);
  });

  it('borrows names of the same clock rate for telephone-event, CN and G.729', () => {
    const names = assigned('0 PCMU/8000', '18 G729/8000', '101 telephone-event/8000');
    expect(names).toHaveLength(3);
    expect(names?.every((name) => name.endsWith('/8000'))).toBe(true);
  });

  it('carries all of telephony at once, each name once', () => {
    const codecs = assignStandIns(payloads(...telephony));
    expect(codecs?.map(({ payloadType }) => payloadType)).toEqual([0, 8, 9, 18, 111, 101, 110, 13]);
    const keys = codecs?.map((c) => `${c.mimeType}/${c.clockRate}/${c.channels}`);
    expect(new Set(keys).size).toBe(telephony.length);
    expect(keys?.some((key) => /telephone-event|CN\//i.test(key))).toBe(false);
  });

  it('carries opus with telephone-event at 48 kHz', () => {
    expect(assigned('111 opus/48000/2', '110 telephone-event/48000')).toEqual([
      '111 audio/opus/48000',
      '110 audio/multiopus/48000',
    ]);
  });

  it('puts speech first, for its clock rate is the stream\u2019s', () => {
    expect(assigned('101 telephone-event/8000', '96 AMR-WB/16000')?.[0]).toMatch(/^96 .*16000$/);
  });

  it('cannot carry a leading codec of a clock rate that no name has', () => {
    expect(assigned('11 L16/44100')).toBeUndefined();
  });

  it('cannot carry more payload types than there are names', () => {
    const many = carriableCodecs().map((_, index) => `${index + 96} X${index}/8000`);
    expect(assigned(...many)).toHaveLength(many.length);
    expect(assigned(...many, '0 PCMU/8000')).toBeUndefined();
  });

  it('carries nothing when there is nothing', () => {
    expect(assigned()).toBeUndefined();
  });
});
