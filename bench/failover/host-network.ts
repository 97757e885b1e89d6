import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { LOSS_SHARE } from './faults.ts';

const run = promisify(execFile);
const HOSTS_MAX = 8;

/**
 * Recorders as hosts of their own on one switch: network namespaces joined to a bridge. `tag` is part of every name, so
 * that they can be found and removed whatever became of who made them; `subnet` 0..255 tells several apart.
 */
export class HostNetwork {
  /** Of the bridge: where `tandem serve` is. */
  readonly serveIp: string;
  readonly #tag: string;
  readonly #subnet: number;

  private constructor(tag: string, subnet: number) {
    this.#tag = tag;
    this.#subnet = subnet;
    this.serveIp = `10.213.${subnet}.254`;
  }

  static async create(tag: string, subnet: number, hosts: number): Promise<HostNetwork> {
    const network = new HostNetwork(tag, subnet);
    await ip('link', 'add', `tb${tag}`, 'type', 'bridge');
    await ip('addr', 'add', `${network.serveIp}/24`, 'dev', `tb${tag}`);
    await ip('link', 'set', `tb${tag}`, 'up');
    for (let host = 0; host < hosts; host++) {
      const space = network.namespace(host);
      const outer = `tv${tag}${host}`;
      await ip('netns', 'add', space);
      await ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space);
      await ip('link', 'set', outer, 'master', `tb${tag}`, 'up');
      await ip('-n', space, 'link', 'set', 'lo', 'up');
      await ip('-n', space, 'addr', 'add', `${network.hostIp(host)}/24`, 'dev', 'eth0');
      await ip('-n', space, 'link', 'set', 'eth0', 'up');
    }
    return network;
  }

  namespace(host: number): string {
    return `tn${this.#tag}${host}`;
  }

  hostIp(host: number): string {
    return `10.213.${this.#subnet}.${host + 1}`;
  }

  /** The host's own end: to the rest of the switch it just falls silent. Blocks, so that its time is known. */
  cut(host: number): void {
    execFileSync('ip', ['-n', this.namespace(host), 'link', 'set', 'eth0', 'down']);
  }

  /** Of what is sent to the host. Resolves with the means: a kernel may come without netem. */
  lose(host: number): string {
    const share = `${LOSS_SHARE * 100}%`;
    try {
      execFileSync(
        'tc',
        ['qdisc', 'add', 'dev', `tv${this.#tag}${host}`, 'root', 'netem', 'loss', share],
        {
          stdio: 'ignore',
        },
      );
      return 'tc netem';
    } catch {
      const rule = ['-A', 'INPUT', '-m', 'statistic', '--mode', 'random'];
      const rest = ['--probability', String(LOSS_SHARE), '-j', 'DROP'];
      execFileSync('ip', ['netns', 'exec', this.namespace(host), 'iptables', ...rule, ...rest]);
      return 'iptables statistic';
    }
  }
}

/** Whatever of the tag is left. Never throws. */
export function removeHostNetwork(tag: string): void {
  const quietly = (...args: string[]): string => {
    try {
      return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    } catch {
      return '';
    }
  };
  for (const line of quietly('netns', 'list').split('\n')) {
    const space = line.split(' ')[0] ?? '';
    if (space.startsWith(`tn${tag}`)) quietly('netns', 'del', space);
  }
  // A namespace goes some time after its name has gone; its links are not waited for.
  for (let host = 0; host < HOSTS_MAX; host++) quietly('link', 'del', `tv${tag}${host}`);
  quietly('link', 'del', `tb${tag}`);
}

async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}
