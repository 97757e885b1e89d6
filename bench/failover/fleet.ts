import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { HostNetwork } from './host-network.ts';
import { RecorderProcess } from './recorder-process.ts';
import { mountSmallDisk } from './small-disk.ts';

const zones = ['east', 'west'] as const;
export const RECORDERS = 4;

/** The recorders of a trial, two in each of two zones, each a process of its own. */
export class Fleet {
  readonly recorders: readonly RecorderProcess[];
  /** Undefined when all are on this host's loopback addresses. */
  readonly network: HostNetwork | undefined;
  /** Address for `tandem serve`, signalling and media. */
  readonly serveIp: string;

  private constructor(recorders: readonly RecorderProcess[], network: HostNetwork | undefined) {
    this.recorders = recorders;
    this.network = network;
    this.serveIp = network?.serveIp ?? '127.0.0.1';
  }

  static async create(options: {
    readonly dir: string;
    /** Set: recorders on hosts of their own. */
    readonly hosts: { readonly tag: string; readonly subnet: number } | undefined;
    /** That are on a small disk of their own, or can be told to close sockets: positions. */
    readonly onSmallDisk: readonly number[];
    readonly takingOrders: readonly number[];
  }): Promise<Fleet> {
    const { dir, hosts, onSmallDisk, takingOrders } = options;
    const network =
      hosts === undefined
        ? undefined
        : await HostNetwork.create(hosts.tag, hosts.subnet, RECORDERS);
    const recorders = await Promise.all(
      Array.from({ length: RECORDERS }, (_, index) => {
        const id = `r${index + 1}`;
        if (onSmallDisk.includes(index)) {
          mkdirSync(join(dir, id));
          mountSmallDisk(join(dir, id));
        }
        return RecorderProcess.start({
          id,
          // Each on an address of its own, so that all can use the same ports.
          host: network?.hostIp(index) ?? `127.50.0.${index + 1}`,
          dir,
          ...(network === undefined ? {} : { namespace: network.namespace(index) }),
          takesOrders: takingOrders.includes(index),
        });
      }),
    );
    return new Fleet(recorders, network);
  }

  /** As `recorders.list` of the configuration has them. */
  get entries(): readonly Record<string, unknown>[] {
    return this.recorders.map(({ id, uri }, index) => ({
      id,
      uri,
      zone: zoneOf(index),
      capacity: 100_000,
    }));
  }

  async kill(): Promise<void> {
    await Promise.all(this.recorders.map((recorder) => recorder.kill()));
  }
}

function zoneOf(recorder: number): string {
  return zones[recorder % zones.length]!;
}
