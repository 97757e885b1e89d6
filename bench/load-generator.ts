import type { SocketAddress } from '../src/edge/types.ts';
import { LineProcess } from './line-process.ts';

/** One party's outgoing stream; streams are told by their position. */
export interface LoadStream {
  /** Where it sends from and receives, on the port that `bind` gives. */
  readonly ip: string;
  /** Position of the stream that the other party of the call sends. */
  readonly peer: number;
  readonly ssrc: number;
  readonly payloadType: number;
  readonly ptimeMs: number;
  /** Media clock ticks a packet. */
  readonly timestampStep: number;
  /** At least 16: every packet carries its stream, number and send time. */
  readonly payloadBytes: number;
}

export interface LoadOptions {
  /** Path of the program. */
  readonly program: string;
  readonly seed: number;
  readonly streams: readonly LoadStream[];
  /** Recorders' ends, each one socket for all addresses of the machine. */
  readonly sinks: number;
  /** Packets sent are logged here, 24 bytes each (`LogRecord` in native/sender.h). */
  readonly logFile?: string;
}

/** What arrived at the parties together, or at one recorder's end. */
export interface PlaceReport {
  readonly receivedByStream: readonly number[];
  readonly duplicatePackets: number;
  readonly reorderedPackets: number;
  readonly rtcpPackets: number;
  /** Not sent by this program. */
  readonly foreignPackets: number;
  readonly damagedPackets: number;
  /** At another party than the one it was meant for. */
  readonly misroutedPackets: number;
  /** Lost because the load generator did not keep up. */
  readonly kernelDrops: number;
}

export interface DelaySummary {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface LoadReport {
  readonly sentPackets: number;
  readonly sentByStream: readonly number[];
  readonly sendErrors: number;
  /** How far behind its schedule the generator sent. */
  readonly lateUsMax: number;
  readonly lateUsMean: number;
  /** From the call of `sendmmsg` to the kernel's receive time at the other party, of the measured part; µs. */
  readonly delayUs: DelaySummary | null;
  readonly parties: PlaceReport;
  readonly sinks: readonly PlaceReport[];
}

/** The native load generator (native/load.cc) in its own process. */
export class LoadGenerator {
  /** The port of every party, on its own address. RTCP is on the next one. */
  readonly partyPort: number;
  readonly sinkPorts: readonly number[];
  readonly #process: LineProcess;

  private constructor(process: LineProcess, partyPort: number, sinkPorts: readonly number[]) {
    this.#process = process;
    this.partyPort = partyPort;
    this.sinkPorts = sinkPorts;
  }

  /** Resolves when all sockets are bound and read. */
  static async create(options: LoadOptions): Promise<LoadGenerator> {
    const process = new LineProcess('load generator', options.program);
    process.send(
      `seed ${options.seed}`,
      ...(options.logFile === undefined ? [] : [`log ${options.logFile}`]),
      ...options.streams.map(
        ({ ip, peer, ssrc, payloadType, ptimeMs, timestampStep, payloadBytes }) =>
          `party ${ip} ${peer} ${ssrc} ${payloadType} ${ptimeMs} ${timestampStep} ${payloadBytes}`,
      ),
      ...Array.from({ length: options.sinks }, () => 'sink'),
      'bind',
    );
    const bound = await process.next<{ partyPort: number; sinkPorts: number[] }>('bound');
    return new LoadGenerator(process, bound.partyPort, bound.sinkPorts);
  }

  /** @param to by stream */
  setDestinations(to: readonly SocketAddress[]): void {
    this.#process.send(...to.map(({ ip, port }, stream) => `to ${stream} ${ip} ${port}`));
  }

  /** @param measureMs 0: until `stop` */
  start(options: { warmupMs: number; measureMs: number }): void {
    this.#process.send(`start ${options.warmupMs} ${options.measureMs}`);
  }

  stop(): void {
    this.#process.send('stop');
  }

  /** The measured part begins, or has ended. Resolves with the packets sent until then. */
  async reached(phase: 'measuring' | 'measured'): Promise<number> {
    return (await this.#process.next<{ sentPackets: number }>(phase)).sentPackets;
  }

  /** Resolves half a second after the last packet was sent. */
  done(): Promise<LoadReport> {
    return this.#process.next<LoadReport>('done');
  }

  close(): Promise<void> {
    return this.#process.close();
  }
}
