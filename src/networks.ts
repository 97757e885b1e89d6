import { BlockList, isIP } from 'node:net';

const unspecified = new BlockList();
unspecified.addAddress('0.0.0.0', 'ipv4');
unspecified.addAddress('::', 'ipv6');

/** Whether text is an IP address, or a network as `10.1.0.0/16`. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= bitsOf(family));
}

/** Whether others can be told to send there: an IP address, and not the one that stands for all of this machine's. */
export function isMediaHost(text: string): boolean {
  return isIP(text) !== 0 && !unspecified.check(text, nameOf(isIP(text)));
}

/** @param networks for each of which `isNetwork` holds */
export function networkMatcher(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address);
    list.addSubnet(address, Number(bits ?? bitsOf(family)), nameOf(family));
  }
  return (address) => {
    const family = isIP(address);
    return family !== 0 && list.check(address, nameOf(family));
  };
}

/**
 * Where a SIP URI leads, as text: two that lead to the same place are equal, whoever they name there and however they are written
 * (RFC 3261 19.1.2, 19.1.4).
 */
export function sipDestination(uri: string): string {
  const [target = '', ...params] = uri.replace(/^(sips?):([^@]*@)?/i, '').split(';');
  const [, host = '', port = '5060'] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(target) ?? [];
  const transport = params.flatMap((param) => /^transport=(.+)$/i.exec(param)?.[1] ?? [])[0];
  return `${hostOf(host)}:${Number(port)};${(transport ?? 'udp').toLowerCase()}`;
}

/** An IPv6 address has many spellings. */
function hostOf(host: string): string {
  const url = `http://${host}`;
  return host.startsWith('[') && URL.canParse(url) ? new URL(url).hostname : host.toLowerCase();
}

function bitsOf(family: number): number {
  return family === 6 ? 128 : 32;
}

function nameOf(family: number): 'ipv4' | 'ipv6' {
  return family === 6 ? 'ipv6' : 'ipv4';
}
