import { describe, expect, it } from 'vitest';
import { loadAddon, type PeerSourceStep } from '../../../src/edge/addon.ts';
import type { LatchPolicy } from '../../../src/edge/types.ts';

/** `ip:port`, and the packets that come from there. */
const address = (text: string) => {
  const [ip = '', port = ''] = text.split(':');
  return { ip, port: Number(port) };
};
const announce = (rtp: string, rtcp = `${address(rtp).ip}:${address(rtp).port + 1}`) =>
  ({ kind: 'announce', rtp: address(rtp), rtcp: address(rtcp) }) as const;
const packet =
  (kind: 'rtp' | 'rtcp' | 'muxed') =>
  (at: number, from: string, stream: 'other' | 'same' | 'next' = 'other') =>
    ({ kind, at, from: address(from), stream }) as const;
const rtp = packet('rtp');
const rtcp = packet('rtcp');
const muxed = packet('muxed');

/** The party as announced, its NAT's view of it, another socket of the same IP address, and somebody else. */
const a = '10.0.0.1:4000';
const nat = '10.0.0.1:7000';
const other = '10.0.0.1:9000';
const elsewhere = '10.0.0.9:4000';

type Case = [title: string, steps: (readonly [PeerSourceStep, string])[]];

function check(policy: LatchPolicy, steps: Case[1]) {
  const verdicts = loadAddon()
    .tables.peerSource(
      policy,
      steps.map(([step]) => step),
    )
    .map(([verdict]) => verdict);
  expect(verdicts).toEqual(steps.map(([, expected]) => expected));
}

const announced = [announce(a), 'taken'] as const;

describe('where a party’s RTP comes from, under `announced`', () => {
  it.each<Case>([
    ['is nowhere before it is announced', [[rtp(0, a), 'not_ready']]],
    ['is not another IP address', [announced, [rtp(0, elsewhere), 'stranger']]],
    ['is the announced address', [announced, [rtp(0, a), 'latched'], [rtp(20, a), 'taken']]],
    [
      'is another port of the IP address while the announced one is not heard',
      [announced, [rtp(0, nat), 'latched'], [rtp(20, nat), 'taken']],
    ],
    [
      'is the announced address as soon as it sends, whoever was first',
      [
        announced,
        [rtp(0, other), 'latched'],
        [rtp(1, a), 'moved'],
        [rtp(2, other), 'second_source'],
      ],
    ],
    [
      'stays the announced address while it is heard, even for the same SSRC',
      [
        announced,
        [rtp(0, a), 'latched'],
        [rtp(20, nat, 'same'), 'second_source'],
        [rtp(40, a), 'taken'],
      ],
    ],
    [
      'is another port of the IP address at once with the next packet of the stream',
      [announced, [rtp(0, a), 'latched'], [rtp(20, nat, 'next'), 'moved'], [rtp(40, nat), 'taken']],
    ],
    [
      'is another port once the announced one has fallen silent, sooner for the same stream',
      [
        announced,
        [rtp(0, a), 'latched'],
        [rtp(499, other), 'second_source'],
        [rtp(500, other), 'moved'],
        [rtp(520, a), 'moved'],
        [rtp(620, nat, 'same'), 'moved'],
      ],
    ],
    [
      'stays a port that was not announced while it is heard',
      [
        announced,
        [rtp(0, nat), 'latched'],
        [rtp(160, other), 'second_source'],
        [rtp(170, nat), 'taken'],
      ],
    ],
    [
      'is the same after an offer with the same address',
      [
        announced,
        [rtp(0, nat), 'latched'],
        announced,
        [rtp(20, other), 'second_source'],
        [rtp(30, nat), 'taken'],
      ],
    ],
    [
      'does not fall back to where it was before another address was announced',
      [
        announced,
        [rtp(0, a), 'latched'],
        [announce('10.0.0.1:5000'), 'taken'],
        [rtp(20, a), 'second_source'],
        [rtp(5_000, a), 'second_source'],
        [rtp(5_010, '10.0.0.1:5000'), 'latched'],
        [rtp(9_000, a), 'second_source'],
        [rtp(9_010, nat), 'moved'],
      ],
    ],
    [
      'is where it was when that is announced again',
      [
        announced,
        [rtp(0, a), 'latched'],
        [announce('10.0.0.1:5000'), 'taken'],
        [announce(a), 'taken'],
        [rtp(20, a), 'latched'],
      ],
    ],
  ])('%s', (_title, steps) => {
    check('announced', steps);
  });
});

describe('where a party’s RTP comes from, under `any`', () => {
  it.each<Case>([
    ['is who comes first, before anything is announced', [[rtp(0, elsewhere), 'latched']]],
    [
      'stays who came first when another address is announced',
      [
        [rtp(0, elsewhere), 'latched'],
        announced,
        [rtp(20, elsewhere), 'taken'],
        [rtp(30, other), 'second_source'],
      ],
    ],
    [
      'is the announced address as soon as it sends',
      [
        [rtp(0, elsewhere), 'latched'],
        announced,
        [rtp(20, a), 'moved'],
        [rtp(30, elsewhere), 'second_source'],
      ],
    ],
    [
      'is another IP address after a second of silence, sooner for the same stream',
      [
        announced,
        [rtp(0, a), 'latched'],
        [rtp(99, elsewhere, 'same'), 'second_source'],
        [rtp(99, elsewhere, 'next'), 'second_source'],
        [rtp(999, elsewhere), 'second_source'],
        [rtp(1_000, elsewhere), 'moved'],
        [rtp(1_100, '10.0.0.8:1', 'same'), 'moved'],
      ],
    ],
    [
      'is where it was when another address was announced that nobody uses',
      [
        announced,
        [rtp(0, nat), 'latched'],
        [announce('192.168.0.1:5000'), 'taken'],
        [rtp(20, nat), 'second_source'],
        [rtp(500, nat), 'latched'],
      ],
    ],
  ])('%s', (_title, steps) => {
    check('any', steps);
  });
});

describe('where a party’s RTCP comes from', () => {
  it.each<Case>([
    ['is the announced address', [announced, [rtcp(0, '10.0.0.1:4001'), 'taken']]],
    ['is not another IP address', [announced, [rtcp(0, '10.0.0.9:4001'), 'stranger']]],
    [
      'is the announced address as soon as it sends, whoever was first',
      [
        announced,
        [rtcp(0, '10.0.0.1:9001'), 'taken'],
        [rtcp(1, '10.0.0.1:4001'), 'taken'],
        [rtcp(2, '10.0.0.1:9001'), 'second_source'],
      ],
    ],
    [
      'is not where RTP no longer comes from',
      [
        announced,
        [rtp(0, nat), 'latched'],
        [rtcp(0, '10.0.0.1:7001', 'same'), 'taken'],
        [rtp(500, other), 'moved'],
        [rtcp(501, '10.0.0.1:7001'), 'second_source'],
        [rtcp(502, '10.0.0.1:9001', 'same'), 'taken'],
      ],
    ],
    [
      'is no other socket of the IP address while RTP is heard, however long RTCP is apart',
      [
        announced,
        [rtp(0, a), 'latched'],
        [rtcp(10, '10.0.0.1:9001'), 'second_source'],
        [rtcp(20, '10.0.0.1:4001', 'same'), 'taken'],
        [rtcp(520, '10.0.0.1:9001'), 'second_source'],
        [rtcp(60_000, '10.0.0.1:9001'), 'second_source'],
        [rtcp(60_010, '10.0.0.1:4001', 'same'), 'taken'],
      ],
    ],
    [
      'is no other socket before RTP is heard until the first one has been silent for 15 s',
      [
        announced,
        [rtcp(0, '10.0.0.1:7001'), 'taken'],
        [rtcp(5_000, '10.0.0.1:9001'), 'second_source'],
        [rtcp(10_000, '10.0.0.1:7001'), 'taken'],
        [rtcp(24_999, '10.0.0.1:9001'), 'second_source'],
        [rtcp(25_000, '10.0.0.1:9001'), 'taken'],
      ],
    ],
    [
      'is another socket under the stream’s SSRC (NAT), also when RTP has moved and RTCP has not',
      [
        announced,
        [rtp(0, nat), 'latched'],
        [rtcp(10, '10.0.0.1:7105', 'same'), 'taken'],
        [rtcp(5_010, '10.0.0.1:7106', 'same'), 'taken'],
        [rtp(5_020, other, 'next'), 'moved'],
        [rtcp(10_010, '10.0.0.1:7106', 'same'), 'taken'],
      ],
    ],
    [
      'is muxed where RTP comes from, or the announced address',
      [
        [announce(a, a), 'taken'],
        [muxed(0, nat), 'taken'],
        [muxed(0, elsewhere), 'stranger'],
        [rtp(1, nat), 'latched'],
        [muxed(2, nat), 'taken'],
        [muxed(2, a), 'taken'],
        [muxed(2, other), 'second_source'],
      ],
    ],
  ])('%s', (_title, steps) => {
    check('announced', steps);
  });

  it('is of the IP address that RTP comes from, under `any`', () => {
    check('any', [
      announced,
      [rtp(0, elsewhere), 'latched'],
      [rtcp(0, '10.0.0.7:4001'), 'stranger'],
      [rtcp(0, '10.0.0.9:4001', 'same'), 'taken'],
    ]);
  });
});

describe('where a party’s media goes', () => {
  const waysOf = (...steps: PeerSourceStep[]) =>
    loadAddon()
      .tables.peerSource('announced', steps)
      .map(([, ...to]) => to);

  it('follows the source, RTCP beside RTP until it has come itself', () => {
    const ways = waysOf(
      announce(a),
      rtp(0, nat),
      rtcp(10, '10.0.0.1:7005', 'same'),
      rtp(20, a),
      announce('10.0.0.1:0', '10.0.0.1:0'),
    );
    expect(ways).toEqual([
      ['10.0.0.1:4000', '10.0.0.1:4001'],
      ['10.0.0.1:7000', '10.0.0.1:7001'],
      ['10.0.0.1:7000', '10.0.0.1:7005'],
      ['10.0.0.1:4000', '10.0.0.1:4001'],
      ['', ''],
    ]);
  });
  it('is not where RTCP came from before RTP did, if RTP comes from where it was announced', () => {
    const ways = waysOf(
      announce(a),
      rtcp(0, '10.0.0.1:9001'),
      rtp(10, a),
      rtcp(20, '10.0.0.1:9001'),
      rtcp(5_000, '10.0.0.1:7105', 'same'),
      rtcp(6_000, '10.0.0.1:9001'),
    );
    expect(ways.map(([, toRtcp]) => toRtcp)).toEqual([
      '10.0.0.1:4001',
      '10.0.0.1:9001',
      '10.0.0.1:4001',
      '10.0.0.1:4001',
      '10.0.0.1:7105',
      '10.0.0.1:7105',
    ]);
  });

  it('is the NATed RTCP port again that was heard before RTP, under the stream’s SSRC', () => {
    const ways = waysOf(
      announce(a),
      rtcp(0, '10.0.0.1:7105'),
      rtp(10, a),
      rtcp(5_000, '10.0.0.1:7105', 'same'),
    );
    expect(ways.at(-1)![1]).toBe('10.0.0.1:7105');
  });
});
