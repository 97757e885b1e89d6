import { describe, expect, it } from 'vitest';
import { InviteClientTransaction } from '../../../src/sip/transaction/invite-client-transaction.ts';
import { InviteServerTransaction } from '../../../src/sip/transaction/invite-server-transaction.ts';
import { NonInviteClientTransaction } from '../../../src/sip/transaction/non-invite-client-transaction.ts';
import { NonInviteServerTransaction } from '../../../src/sip/transaction/non-invite-server-transaction.ts';
import { DEFAULT_SIP_TIMERS } from '../../../src/sip/timers.ts';
import { makeResponse } from '../../../src/sip/message/response.ts';
import { serialize } from '../../../src/sip/message/serialize.ts';
import type { SipTransportName } from '../../../src/sip/transport/flow.ts';
import { FakeClock } from './support/fake-clock.ts';
import { FakeFlow } from './support/fake-flow.ts';
import { request, response } from './support/messages.ts';

function client(method: string, transport: SipTransportName) {
  const clock = new FakeClock();
  const flow = new FakeFlow(transport, clock);
  const events: string[] = [];
  const message = request(method);
  const Transaction = method === 'INVITE' ? InviteClientTransaction : NonInviteClientTransaction;
  const transaction = new Transaction({
    request: message,
    bytes: serialize(message),
    flow,
    clock,
    timers: DEFAULT_SIP_TIMERS,
    events: {
      onResponse: ({ status }) => events.push(String(status)),
      onTimeout: () => events.push(`timeout at ${String(clock.now())}`),
      onTransportError: () => events.push('transport'),
    },
    onTerminated: () => events.push('terminated'),
  });
  transaction.start();
  const answer = (status: number): void => {
    transaction.receive(response(message, status));
  };
  return { clock, flow, events, transaction, answer };
}

function server(method: string, transport: SipTransportName) {
  const clock = new FakeClock();
  const flow = new FakeFlow(transport, clock);
  const events: string[] = [];
  const message = request(method);
  const Transaction = method === 'INVITE' ? InviteServerTransaction : NonInviteServerTransaction;
  const transaction = new Transaction({
    request: message,
    flow,
    send: (bytes) => {
      flow.send(bytes);
    },
    clock,
    timers: DEFAULT_SIP_TIMERS,
    trying: () => makeResponse(message, { status: 100 }),
    onTerminated: () => events.push(`terminated at ${String(clock.now())}`),
  });
  transaction.onFailure = () => events.push('failure');
  transaction.start();
  const respond = (status: number): void => {
    transaction.respond(makeResponse(message, { status, toTag: 'to' }));
  };
  return { clock, flow, events, transaction, message, respond };
}

describe('INVITE client transaction', () => {
  it('repeats the INVITE over UDP on timer A, doubling without a cap, until timer B', () => {
    const { clock, flow, events } = client('INVITE', 'udp');
    clock.advance(100_000);
    expect(flow.times('INVITE')).toEqual([0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    expect(events).toEqual(['terminated', 'timeout at 32000']);
    expect(clock.pending).toBe(0);
  });

  it('sends once over TCP and still gives up at timer B', () => {
    const { clock, flow, events } = client('INVITE', 'tcp');
    clock.advance(100_000);
    expect(flow.times('INVITE')).toEqual([0]);
    expect(events).toEqual(['terminated', 'timeout at 32000']);
  });

  it('stops repeating and waits without end after a provisional response', () => {
    const { clock, flow, events, answer } = client('INVITE', 'udp');
    clock.advance(600);
    answer(100);
    answer(180);
    clock.advance(200_000);
    expect(flow.times('INVITE')).toEqual([0, 500]);
    expect(events).toEqual(['100', '180']);
  });

  it('acknowledges a refusal, its retransmissions too, until timer D', () => {
    const { clock, flow, events, answer } = client('INVITE', 'udp');
    answer(486);
    clock.advance(500);
    answer(486);
    expect(flow.times('ACK')).toEqual([0, 500]);
    expect(events).toEqual(['486']);
    clock.advance(31_499);
    expect(events).toEqual(['486']);
    clock.advance(1);
    expect(events).toEqual(['486', 'terminated']);
  });

  it('writes the ACK to a refusal as 17.1.1.3 says', () => {
    const { flow, answer } = client('INVITE', 'udp');
    answer(486);
    const [start, ...lines] = (flow.sent.at(-1)?.text ?? '').split('\r\n');
    expect(start).toBe('ACK sip:rec@192.0.2.1 SIP/2.0');
    expect(lines).toContain('Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKtest;rport');
    expect(lines).toContain('To: <sip:rec@192.0.2.1>;tag=to');
    expect(lines).toContain('CSeq: 1 ACK');
  });

  it('passes a repeated 2xx on for 64 T1, so that its user acknowledges again', () => {
    const { clock, events, answer } = client('INVITE', 'udp');
    answer(200);
    clock.advance(500);
    answer(200);
    clock.advance(31_500);
    answer(200);
    expect(events).toEqual(['200', '200', 'terminated']);
  });

  it('tells at once when the connection ends before an answer', () => {
    const { flow, events, clock } = client('INVITE', 'tcp');
    flow.close();
    expect(events).toEqual(['terminated', 'transport']);
    expect(flow.retained).toBe(0);
    expect(clock.pending).toBe(0);
  });
});

describe('non-INVITE client transaction', () => {
  it('repeats over UDP on timer E, doubling up to T2, until timer F', () => {
    const { clock, flow, events } = client('OPTIONS', 'udp');
    clock.advance(100_000);
    expect(flow.times('OPTIONS')).toEqual([
      0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ]);
    expect(events).toEqual(['terminated', 'timeout at 32000']);
  });

  it('repeats every T2 after a provisional response', () => {
    const { clock, flow, answer } = client('OPTIONS', 'udp');
    answer(100);
    clock.advance(9_000);
    expect(flow.times('OPTIONS')).toEqual([0, 500, 4_500, 8_500]);
  });

  it('absorbs repeated answers for timer K over UDP, and ends at once over TCP', () => {
    const udp = client('OPTIONS', 'udp');
    udp.answer(200);
    udp.answer(200);
    udp.clock.advance(4_999);
    expect(udp.events).toEqual(['200']);
    udp.clock.advance(1);
    expect(udp.events).toEqual(['200', 'terminated']);
    const tcp = client('OPTIONS', 'tcp');
    tcp.answer(200);
    expect(tcp.events).toEqual(['terminated', '200']);
  });
});

describe('INVITE server transaction', () => {
  it('sends 100 by itself after 200 ms, and not when its user was quicker', () => {
    const slow = server('INVITE', 'udp');
    slow.clock.advance(1_000);
    expect(slow.flow.times('SIP/2.0 100')).toEqual([200]);
    const quick = server('INVITE', 'udp');
    quick.respond(180);
    quick.clock.advance(1_000);
    expect(quick.flow.times('SIP/2.0 100')).toEqual([]);
  });

  it('answers a repeated INVITE with its last response', () => {
    const { flow, transaction, message, respond } = server('INVITE', 'udp');
    transaction.receive(message);
    respond(180);
    transaction.receive(message);
    expect(flow.sent).toHaveLength(2);
  });

  it('repeats a refusal over UDP on timer G up to T2, until timer H', () => {
    const { clock, flow, events, respond } = server('INVITE', 'udp');
    respond(486);
    clock.advance(100_000);
    expect(flow.times('SIP/2.0 486')).toEqual([
      0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ]);
    expect(events).toEqual(['terminated at 32000', 'failure']);
  });

  it('stops with the ACK and absorbs more of them for timer I', () => {
    const { clock, flow, events, transaction, respond } = server('INVITE', 'udp');
    respond(486);
    clock.advance(100);
    transaction.receive(request('ACK'));
    transaction.receive(request('ACK'));
    clock.advance(100_000);
    expect(flow.times('SIP/2.0 486')).toEqual([0]);
    expect(events).toEqual(['terminated at 5100']);
  });

  it('sends a refusal once over TCP, and waits for the ACK until timer H', () => {
    const { clock, flow, events, respond } = server('INVITE', 'tcp');
    respond(503);
    clock.advance(100_000);
    expect(flow.times('SIP/2.0 503')).toEqual([0]);
    expect(events).toEqual(['terminated at 32000', 'failure']);
  });

  it('absorbs INVITEs after a 2xx, which is its user’s to repeat, until timer L', () => {
    const { clock, flow, events, transaction, message, respond } = server('INVITE', 'udp');
    respond(200);
    transaction.receive(message);
    clock.advance(500);
    respond(200);
    expect(flow.times('SIP/2.0 200')).toEqual([0, 500]);
    clock.advance(100_000);
    expect(events).toEqual(['terminated at 32000']);
  });
});

describe('non-INVITE server transaction', () => {
  it('repeats its answer to a repeated request until timer J', () => {
    const { clock, flow, events, transaction, message, respond } = server('BYE', 'udp');
    transaction.receive(message);
    expect(flow.sent).toEqual([]);
    respond(200);
    clock.advance(500);
    transaction.receive(message);
    clock.advance(31_499);
    expect(events).toEqual([]);
    clock.advance(1);
    expect(events).toEqual(['terminated at 32000']);
    expect(flow.times('SIP/2.0 200')).toEqual([0, 500]);
  });

  it('ends with its answer over TCP', () => {
    const { events, respond } = server('BYE', 'tcp');
    respond(200);
    expect(events).toEqual(['terminated at 0']);
  });
});
