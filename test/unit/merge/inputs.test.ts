import { describe, expect, it } from 'vitest';
import { distinctNames } from '../../../src/merge/inputs.ts';

describe('distinctNames', () => {
  it('gives a file its plain name when no other has it', () => {
    expect(distinctNames(['/a/one.pcap', '/b/two.pcap'])).toEqual(['one.pcap', 'two.pcap']);
  });

  it('adds as many folders as tell two files of one name apart', () => {
    expect(
      distinctNames(['/d/x/r1/m.pcap', '/d/y/r1/m.pcap', '/d/y/r2/m.pcap', '/z/n.pcap']),
    ).toEqual(['x/r1/m.pcap', 'y/r1/m.pcap', 'r2/m.pcap', 'n.pcap']);
  });

  it('gives the whole path when it is the end of another', () => {
    expect(distinctNames(['/r/m.pcap', '/q/r/m.pcap'])).toEqual(['/r/m.pcap', '/q/r/m.pcap']);
  });
});
