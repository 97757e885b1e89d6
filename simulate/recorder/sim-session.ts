import type { SocketAddress } from '../../src/edge/types.ts';
import type { MediaAddress, Party } from '../../src/recording/interfaces.ts';
import type { SipDialog } from '../../src/sip/ua/dialog.ts';
import { readSdp, writeSdp } from '../../src/siprec/sdp.ts';
import type { MediaLine } from '../../src/siprec/sdp.ts';
import type { SimNetwork } from '../network/sim-network.ts';
import type { LegPacket, MediaMessage, RecorderReport } from '../packet.ts';
import type { Manners } from './manners.ts';
import { Reception } from './reception.ts';
import type { RecordingFile } from './recording-file.ts';

interface Line {
  readonly party: Party;
  readonly reception: Reception;
  address: MediaAddress;
  ssrc: number;
  lastSenderReport: number;
  /** Where its reports go: the other side, as it announced itself. */
  reportsTo: SocketAddress | undefined;
  reported: number;
  /** Of a liar. */
  highestSent: number;
}

export interface SimSessionHost {
  readonly ip: string;
  readonly network: SimNetwork;
  readonly namesRanges: boolean;
  manners(): Manners;
  port(): number;
}

const parties: readonly Party[] = ['a', 'b'];
const bufferedMax = 500;

/** One recording session as a recorder has it: ports, answers, reception, file. */
export class SimSession {
  readonly file: RecordingFile;
  readonly #host: SimSessionHost;
  readonly #lines: Line[] = [];
  /** What the kernel holds for a process that is stopped. */
  #buffered: (() => void)[] = [];
  #offer: readonly MediaLine[] = [];
  #version = 0;
  dialog: SipDialog | undefined;
  answers: Manners['answer'];
  ended = false;
  /** It has told of what it receives. */
  reported = false;
  /** When it last wrote a packet. */
  storedAt = -Infinity;

  constructor(host: SimSessionHost, file: RecordingFile) {
    this.#host = host;
    this.file = file;
    this.answers = host.manners().answer;
  }

  get packets(): number {
    return this.#lines.reduce((sum, { reception }) => sum + reception.packets, 0);
  }

  /** Takes an offer and gives the answer to it. */
  answer(offer: Buffer): Buffer {
    this.#offer = readSdp(offer);
    this.#takeOffer(this.#offer);
    return this.#write(this.#offer.map((line, at) => this.#answerLine(line, at)));
  }

  /** What a recorder offers that wants its media now, perhaps somewhere else. */
  offer(moved: boolean): Buffer {
    this.answers = 'well';
    if (moved) for (const line of this.#lines) this.#move(line);
    return this.#write(
      this.#offer.map((line, at) => this.#answerLine({ ...line, direction: 'sendonly' }, at)),
    );
  }

  reportAll(): void {
    for (const line of this.#lines) this.#report(line);
  }

  wake(): void {
    const buffered = this.#buffered;
    this.#buffered = [];
    for (const arrival of buffered) arrival();
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    for (const { address } of this.#lines) {
      this.#host.network.unbind(address.rtp);
      this.#host.network.unbind(address.rtcp);
    }
  }

  #takeOffer(lines: readonly MediaLine[]): void {
    for (const [at, offered] of lines.entries()) {
      const party = parties[at];
      if (party === undefined) continue;
      const line = this.#lines[at] ?? this.#open(party);
      line.reportsTo = offered.address?.rtcp ?? line.reportsTo;
    }
  }

  #open(party: Party): Line {
    const line: Line = {
      party,
      reception: new Reception(),
      address: this.#newAddress(),
      ssrc: 0,
      lastSenderReport: 0,
      reportsTo: undefined,
      reported: 0,
      highestSent: 0,
    };
    this.#lines.push(line);
    this.#bind(line);
    return line;
  }

  #newAddress(): MediaAddress {
    const { ip } = this.#host;
    const port = this.#host.port();
    return { rtp: { ip, port }, rtcp: { ip, port: port + 1 } };
  }

  #move(line: Line): void {
    this.#host.network.unbind(line.address.rtp);
    this.#host.network.unbind(line.address.rtcp);
    line.address = this.#newAddress();
    this.#bind(line);
  }

  #bind(line: Line): void {
    const receive = (message: MediaMessage): void => {
      const manners = this.#host.manners();
      if (!manners.hangs) this.#receive(line, message, manners);
      else if (this.#buffered.length < bufferedMax) {
        this.#buffered.push(() => {
          this.#receive(line, message, this.#host.manners());
        });
      }
    };
    this.#host.network.bind(line.address.rtp, { receive });
    this.#host.network.bind(line.address.rtcp, { receive });
  }

  #receive(line: Line, message: MediaMessage, manners: Manners): void {
    switch (message.kind) {
      case 'rtp':
        line.ssrc = message.ssrc;
        line.highestSent = Math.max(line.highestSent, message.extended);
        if (!manners.deaf) this.#store(line, message);
        return;
      case 'sr':
        line.lastSenderReport = message.stamp;
        if (message.bye) this.#report(line);
        return;
      case 'rr':
        return;
      default:
        message satisfies never;
    }
  }

  #store({ party, reception }: Line, packet: LegPacket): void {
    reception.receive(packet.sequence);
    this.file.write(party, packet);
    this.storedAt = this.#host.network.clock.now();
  }

  #report(line: Line): void {
    const { network, namesRanges } = this.#host;
    const { mute, lies, hangs } = this.#host.manners();
    if (mute || hangs || line.reportsTo === undefined) return;
    const report = lies
      ? lieOf(line)
      : line.reception.report(line.ssrc, line.lastSenderReport, namesRanges);
    if (report === undefined) return;
    this.reported = network.send(line.address.rtcp, line.reportsTo, report) || this.reported;
  }

  #answerLine(line: MediaLine, at: number): MediaLine {
    const { address } = this.#lines[at] ?? {};
    const wanted = line.direction === 'sendonly' || line.direction === 'sendrecv';
    const { answers } = this;
    const inactive = answers === 'inactive' || answers === 'inactiveFirst';
    const answer: MediaLine = { ...line, direction: wanted && !inactive ? 'recvonly' : 'inactive' };
    for (const key of ['address', 'label', 'rtcpXr']) Reflect.deleteProperty(answer, key);
    const refused = answers === 'portZero' || (answers === 'oneLine' && at === 1);
    if (address === undefined || line.removed === true || refused) return answer;
    if (answers === 'nullAddress') {
      const nowhere = { rtp: { ip: '0.0.0.0', port: 9_000 }, rtcp: { ip: '0.0.0.0', port: 9_001 } };
      return { ...answer, address: nowhere };
    }
    const granted = this.#host.namesRanges && line.rtcpXr !== undefined;
    return { ...answer, address, ...(granted ? { rtcpXr: ['pkt-loss-rle', 'pkt-dup-rle'] } : {}) };
  }

  #write(lines: readonly MediaLine[]): Buffer {
    this.#version += 1;
    return writeSdp({ sessionId: 1, version: this.#version, ip: this.#host.ip }, lines);
  }
}

function lieOf({ ssrc, highestSent, lastSenderReport }: Line): RecorderReport | undefined {
  if (highestSent === 0) return undefined;
  const highestSequence = highestSent & 0xffff;
  return { kind: 'rr', ssrc, highestSequence, cumulativeLost: 0, lastSenderReport };
}
