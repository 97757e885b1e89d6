/** Hosts for every party and leg: 127.0.0.0/8 is this machine, all of it. */

const HOSTS_PER_NETWORK = 250;

/** 127.`network`.x.y, a different one for each index below 62,500. */
export function loopbackIp(network: number, index: number): string {
  const third = Math.floor(index / HOSTS_PER_NETWORK) + 1;
  if (third > HOSTS_PER_NETWORK) throw new RangeError(`no loopback address for index ${index}`);
  return `127.${network}.${third}.${(index % HOSTS_PER_NETWORK) + 1}`;
}

/** The second octets in use. */
export const networks = { parties: 32, floor: 40, sinks: [64, 65] } as const;
