import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { EstablishRequest, RecordedStream } from '../../../src/recording/interfaces.ts';
import { systemRandom } from '../../../src/sip/transaction/identifiers.ts';
import type { OpenTransport } from '../../../src/sip/transport/flow.ts';
import { SipUserAgent } from '../../../src/sip/ua/user-agent.ts';
import { SiprecClient } from '../../../src/siprec/client.ts';
import type { SessionSnapshot } from '../../../src/siprec/client.ts';
import { StoreWriter } from '../../../src/store/store-writer.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { MemoryStore } from '../../support/memory-store.ts';
import { FakeClock } from '../sip/support/fake-clock.ts';
import { MemoryNetwork } from '../sip/support/memory-network.ts';

/**
 * The same life of a session, cut off before each message of it in turn, after each, and a little after each where it was lost:
 * whatever was in the store by then is all that the next process has.
 */

const OURS = '192.0.2.1';
const RECORDER = '192.0.2.2';
const logger = pino({ level: 'silent' });
/** Long enough for all that is repeated to be so, and not for a peer to give up (32 s). */
const SECONDS = 10;
/** Which message it is. */
const bye = 11;
/** Nothing is waited for any more. */
const SECONDS_MORE = 60;
type When = 'before' | 'after' | 'lost';

const streams: readonly RecordedStream[] = (['a', 'b'] as const).map((party, index) => ({
  party,
  index,
  ssrc: index + 1,
  payloads: [{ payloadType: 0, encodingName: 'PCMU', clockRate: 8_000, channels: 1 }],
}));
const local = (port: number) => ({ rtp: { ip: OURS, port }, rtcp: { ip: OURS, port: port + 1 } });
const participant = (aor: string) => ({ participantId: aor, streamId: `${aor}-stream`, aor });
const request: EstablishRequest = {
  recordId: 'r',
  uri: `sip:${RECORDER};transport=udp`,
  communicationSession: {
    callId: 'c',
    sessionId: 's',
    groupId: 'g',
    startedAt: 0,
    participants: { a: participant('sip:a@example.com'), b: participant('sip:b@example.com') },
  },
  streams,
  local: { a: local(9_000), b: local(9_002) },
  timeoutMs: 4_000,
};

const answer = {
  body: Buffer.from(
    [
      ...['v=0', 'o=- 1 1 IN IP4 0.0.0.0', 's=-', `c=IN IP4 ${RECORDER}`, 't=0 0'],
      ...['m=audio 7000 RTP/AVP 0', 'a=recvonly', 'm=audio 7002 RTP/AVP 0', 'a=recvonly', ''],
    ].join('\r\n'),
  ),
  contentType: 'application/sdp',
};

/** One process after the other at our address. One that is dead is neither heard nor hears, whatever it still does. */
class OurProcess {
  readonly clock = new FakeClock();
  readonly client: SiprecClient;
  readonly ended: string[] = [];
  readonly userAgent: SipUserAgent;
  static alive: symbol | undefined;

  private constructor(userAgent: SipUserAgent, clock: FakeClock, writer: StoreWriter) {
    this.userAgent = userAgent;
    this.clock = clock;
    this.client = new SiprecClient({
      userAgent,
      logger,
      clock,
      random: systemRandom,
      keeper: {
        keep: (recordId, snapshot) => {
          writer.put('session', recordId, snapshot);
        },
        forget: (recordId) => {
          writer.remove('session', recordId);
        },
        flush: () => writer.flush(),
      },
    });
    this.client.on('ended', ({ reason }) => this.ended.push(reason));
  }

  static async start(network: MemoryNetwork, store: MemoryStore): Promise<OurProcess> {
    const name = Symbol('process');
    OurProcess.alive = name;
    const isAlive = (): boolean => OurProcess.alive === name;
    const open: OpenTransport = async (transport, options) => {
      const opened = await network.open(transport, {
        ...options,
        onMessage: (...message) => {
          if (isAlive()) options.onMessage(...message);
        },
      });
      const flowTo = opened.flowTo.bind(opened);
      opened.flowTo = async (remote) => {
        const flow = await flowTo(remote);
        const send = flow.send.bind(flow);
        flow.send = (...message) => {
          if (isAlive()) send(...message);
        };
        return flow;
      };
      return opened;
    };
    const clock = new FakeClock();
    const userAgent = await SipUserAgent.create({
      host: OURS,
      port: 5060,
      transports: ['udp'],
      userAgent: 'test',
      logger,
      clock,
      openTransport: open,
      handlers: {},
    });
    const living = {
      apply: (...batch: Parameters<MemoryStore['apply']>) =>
        isAlive() ? store.apply(...batch) : new Promise<void>(() => undefined),
      records: store.records.bind(store),
      close: store.close.bind(store),
    };
    const writer = new StoreWriter({ store: living, clock: new ManualClock(), logger });
    return new OurProcess(userAgent, clock, writer);
  }
}

/** @returns how many messages there were */
async function killedAt(message: number, when: When): Promise<number> {
  const network = new MemoryNetwork();
  const store = new MemoryStore();
  const recorderClock = new FakeClock();
  const recorder = await SipUserAgent.create({
    host: RECORDER,
    port: 5060,
    transports: ['udp'],
    userAgent: 'recorder',
    logger,
    clock: recorderClock,
    extensions: ['siprec'],
    openTransport: network.open,
    handlers: {
      onInvite: (invite) => {
        invite.provisional(180);
        recorderClock.setTimeout(() => {
          invite.accept({ ...answer, contactParams: '+sip.srs' }).then(
            (dialog) => {
              dialog.on('reinvite', (reinvite) => {
                reinvite.accept(answer).catch(() => undefined);
              });
            },
            () => undefined,
          );
        }, 100);
      },
    },
  });
  const first = await OurProcess.start(network, store);
  const { sent } = network;
  const sendIt = network.send.bind(network);
  network.send = (...one) => {
    const isIt = sent.length + 1 === message;
    if (isIt && when === 'before') OurProcess.alive = undefined;
    if (isIt && when === 'lost') sent.push('lost');
    else if (OurProcess.alive !== undefined || one[1].address !== OURS) sendIt(...one);
    if (isIt && when === 'after') OurProcess.alive = undefined;
  };
  const pass = async (clocks: readonly FakeClock[], ms: number): Promise<void> => {
    for (const clock of clocks) clock.advance(ms);
    await settle();
  };
  /** What whoever asked was told, and what is in the store with it. */
  let told = '';
  const life = (async () => {
    await first.client.establish(request);
    await settle();
    if (OurProcess.alive !== undefined) told = 'established';
    await first.client.update('r', { streams, paused: true });
    await first.client.update('r', { streams, paused: false });
    const ended = first.client.end('r');
    await settle();
    if (OurProcess.alive !== undefined) told = 'ending';
    await ended;
  })();
  life.catch(() => undefined);
  // Less than anything takes to be repeated.
  for (let turn = 0; turn < 4 && OurProcess.alive !== undefined; turn++)
    await pass([first.clock, recorderClock], 100);
  OurProcess.alive = undefined;
  const messages = sent.length;
  const toldBefore = told;

  network.send = sendIt;
  const next = await OurProcess.start(network, store);
  const left = await store.records('session');
  for (const { id, data } of left) next.client.adopt(id, data as SessionSnapshot);
  for (let second = 0; second < SECONDS; second++) await pass([next.clock, recorderClock], 1_000);
  const adopted = next.client.sessionCount;
  if (toldBefore === 'ending') expect(['adopted', adopted]).toEqual(['adopted', 0]);
  if (adopted > 0) {
    const update = next.client.update('r', { streams, paused: true }).catch(() => undefined);
    for (let second = 0; second < 5; second++) await pass([next.clock, recorderClock], 1_000);
    await update;
  }
  expect(['dialogs', recorder.dialogCount]).toEqual(['dialogs', next.client.sessionCount]);
  for (let second = 0; second < SECONDS_MORE; second++)
    await pass([next.clock, recorderClock], 1_000);
  const stages = (await store.records('session')).map(
    ({ data }) => (data as SessionSnapshot).stage,
  );
  expect(['dialogs', recorder.dialogCount]).toEqual(['dialogs', next.client.sessionCount]);
  if (toldBefore === 'established' && messages < bye)
    expect(['kept', next.client.sessionCount, next.ended]).toEqual(['kept', 1, []]);
  expect(stages).toEqual(next.client.sessionCount === 0 ? [] : ['established']);
  return messages;
}

it('leaves no session behind and loses none that somebody was told of, wherever it is cut off', async () => {
  const messages = await killedAt(Number.POSITIVE_INFINITY, 'after');
  // INVITE, 180, 200, ACK; twice INVITE, 200, ACK; BYE, 200.
  expect(messages).toBe(12);
  for (let message = 1; message <= messages; message++) {
    for (const when of ['before', 'after', 'lost'] as const) {
      await killedAt(message, when).catch((cause: unknown) => {
        throw new Error(`message ${String(message)}: ${when}`, { cause });
      });
    }
  }
});
