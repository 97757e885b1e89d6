import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { AddressPair } from '../../src/edge/edge.ts';
import type { SocketAddress } from '../../src/edge/types.ts';
import { LossyPath } from './lossy-path.ts';
import type { Fate, Passing } from './lossy-path.ts';

/** What it does to what passes; changed while it runs. */
interface Meddling {
  /** What becomes of a packet of a stream, which is known by its place in the SDP. */
  fate: (passing: Passing & { readonly stream: number }) => Fate;
  /** What Tandem gets to read of the recorder's answer. */
  answer: (sdp: string) => string;
  /** Status line and headers by which an INVITE is refused, without the recorder. */
  refuse: (() => readonly string[]) | undefined;
}

/** As the recorder would name a session in its requests. */
interface ProxiedDialog {
  readonly callId: string;
  readonly local: string;
  readonly remote: string;
  /** Where Tandem takes requests. */
  readonly target: SocketAddress;
}

const harmless: Meddling = { fate: () => 'pass', answer: (sdp) => sdp, refuse: undefined };

/** Stands before a recorder: SIP over TCP goes through it, and the media of every session that is set up through it. */
export class MeddlingProxy {
  readonly meddling: Meddling = { ...harmless };
  readonly dialogs: ProxiedDialog[] = [];
  /** INVITEs that ask for a session. */
  invites = 0;
  readonly #server: Server;
  readonly #recorderPort: number;
  readonly #mediaHost: string;
  readonly #paths = new Map<string, LossyPath[]>();
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, recorderPort: number, mediaHost: string) {
    this.#server = server;
    this.#recorderPort = recorderPort;
    this.#mediaHost = mediaHost;
    server.on('connection', (tandem) => {
      this.#connect(tandem);
    });
  }

  /** @param mediaHost where Tandem is told to send media to */
  static async open(recorderPort: number, mediaHost = '127.0.0.1'): Promise<MeddlingProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new MeddlingProxy(server, recorderPort, mediaHost);
  }

  get uri(): string {
    return `sip:127.0.0.1:${this.#port};transport=tcp`;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Does nothing to what passes any more. */
  behave(): void {
    Object.assign(this.meddling, harmless);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await Promise.all([...this.#paths.values()].flat().map((path) => path.close()));
  }

  #connect(tandem: Socket): void {
    const recorder = connect(this.#recorderPort, '127.0.0.1');
    this.#join(tandem, recorder, (message) => this.#fromTandem(message, tandem));
    this.#join(recorder, tandem, (message) => Promise.resolve(this.#fromRecorder(message)));
  }

  #join(from: Socket, to: Socket, pass: (message: string) => Promise<string | undefined>): void {
    this.#sockets.add(from);
    let waiting = '';
    let order = Promise.resolve();
    from.setEncoding('latin1').on('data', (chunk: string) => {
      const [messages, rest] = split(waiting + chunk);
      waiting = rest;
      for (const message of messages) {
        order = order.then(async () => {
          const passed = await pass(message);
          if (passed !== undefined && to.writable) to.write(passed, 'latin1');
        });
      }
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  async #fromTandem(message: string, tandem: Socket): Promise<string | undefined> {
    const callId = header(message, 'Call-ID');
    const isNew = message.startsWith('INVITE ') && !/;tag=/.test(header(message, 'To'));
    if (message.startsWith('ACK ') && !/;tag=/.test(header(message, 'To'))) return undefined;
    if (!isNew) return message.startsWith('ACK ') && this.#isRefused(message) ? undefined : message;
    this.invites += 1;
    if (this.meddling.refuse !== undefined) {
      tandem.write(refusal(message, this.meddling.refuse()), 'latin1');
      return undefined;
    }
    const fate = (stream: number) => (passing: Passing) =>
      this.meddling.fate({ ...passing, stream });
    const paths = await Promise.all(
      mediaIn(message).map((edge, at) => LossyPath.open(edge, fate(at), this.#mediaHost)),
    );
    this.#paths.set(callId, paths);
    const [head, body] = divide(message);
    return join(head, this.#readdress(body, paths));
  }

  #isRefused(ack: string): boolean {
    return header(ack, 'To').endsWith(`;tag=${refusedTag}`);
  }

  #fromRecorder(message: string): string {
    const paths = this.#paths.get(header(message, 'Call-ID'));
    const isAnswer =
      message.startsWith('SIP/2.0 200') && /^\d+ INVITE/.test(header(message, 'CSeq'));
    if (!isAnswer || paths === undefined) return message;
    this.#learn(message);
    mediaIn(message).forEach((recorder, at) => {
      const path = paths[at];
      if (path !== undefined) path.recorder = recorder;
    });
    const [head, sdp] = divide(message);
    const answer = this.meddling.answer(this.#readdress(sdp, paths));
    return join(head.replace(/^(Contact:.*?127\.0\.0\.1):\d+/im, `$1:${this.#port}`), answer);
  }

  #readdress(sdp: string, paths: readonly LossyPath[]): string {
    const [session = '', ...media] = sdp.split(/^(?=m=)/m);
    const moved = media.map((section, at) => {
      const address = paths[at]?.address;
      if (address === undefined) return section;
      return section
        .replace(/^m=audio [1-9]\d*/, `m=audio ${address.rtp.port}`)
        .replace(/^a=rtcp:\d+.*\r\n/m, '')
        .replace(/^a=/m, `a=rtcp:${address.rtcp.port}\r\na=`);
    });
    return [session, ...moved].join('').replace(/^(c=IN IP4 )[\d.]+/gm, `$1${this.#mediaHost}`);
  }

  #learn(answer: string): void {
    const via = /([\d.]+):(\d+)/.exec(header(answer, 'Via')) ?? [];
    this.dialogs.push({
      callId: header(answer, 'Call-ID'),
      local: header(answer, 'To'),
      remote: header(answer, 'From'),
      target: { ip: via[1] ?? '', port: Number(via[2]) },
    });
  }
}

const refusedTag = 'refused';

/** Whole SIP messages, and what is left. */
function split(bytes: string): [string[], string] {
  const messages: string[] = [];
  let rest = bytes;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    const length = end + 4 + Number(/^Content-Length: *(\d+)/im.exec(rest.slice(0, end))?.[1] ?? 0);
    if (end < 0 || rest.length < length) return [messages, rest];
    messages.push(rest.slice(0, length));
    rest = rest.slice(length);
  }
}

function divide(message: string): [string, string] {
  const end = message.indexOf('\r\n\r\n');
  return [message.slice(0, end), message.slice(end + 4)];
}

function join(head: string, body: string): string {
  const length = `Content-Length: ${Buffer.byteLength(body, 'latin1')}`;
  return `${head.replace(/^Content-Length:.*$/im, length)}\r\n\r\n${body}`;
}

function header(message: string, name: string): string {
  return new RegExp(`^${name}: *(.*?)\\r$`, 'im').exec(`${divide(message)[0]}\r\n`)?.[1] ?? '';
}

function refusal(invite: string, [status = '', ...headers]: readonly string[]): string {
  const kept = divide(invite)[0]
    .split('\r\n')
    .filter((line) => /^(Via|From|To|Call-ID|CSeq):/i.test(line))
    .map((line) => (/^To:/i.test(line) ? `${line};tag=${refusedTag}` : line));
  return [`SIP/2.0 ${status}`, ...kept, ...headers, 'Content-Length: 0', '', ''].join('\r\n');
}

/** RTP and RTCP of each m-line, in a body that may have other parts besides. */
function mediaIn(message: string): AddressPair[] {
  const [, ...media] = divide(message)[1].split(/^(?=m=)/m);
  const ip = '127.0.0.1';
  return media.map((section) => {
    const port = Number(/^m=audio (\d+)/.exec(section)?.[1]);
    const rtcp = Number(/^a=rtcp:(\d+)/m.exec(section)?.[1] ?? port + 1);
    return { rtp: { ip, port }, rtcp: { ip, port: rtcp } };
  });
}
