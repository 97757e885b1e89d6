import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { SocketAddress } from '../../src/edge/types.ts';

/** Raw sockets are for root. */
export const maySendIcmp = process.getuid?.() === 0;

// Perl is part of every Debian; Node has no raw sockets. One message a line, in hex.
const sender = `
use Socket;
socket(my $raw, PF_INET, SOCK_RAW, 1) or die $!;
while (my $line = <STDIN>) {
  my ($to, $hex) = split ' ', $line;
  send($raw, pack('H*', $hex), 0, sockaddr_in(0, inet_aton($to))) or die $!;
}
`;

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** ICMP "port unreachable" (RFC 792) to who sent `quoted` from `from` to `to`, or so it says: a UDP datagram, as far as it goes. */
function portUnreachable(from: SocketAddress, to: SocketAddress, quoted: Buffer): Buffer {
  const ip = Buffer.alloc(20);
  ip.writeUInt8(0x45, 0);
  ip.writeUInt16BE(28 + 172, 2);
  ip.writeUInt8(64, 8);
  ip.writeUInt8(17, 9);
  Buffer.from(from.ip.split('.').map(Number)).copy(ip, 12);
  Buffer.from(to.ip.split('.').map(Number)).copy(ip, 16);
  ip.writeUInt16BE(checksum(ip), 10);
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(from.port, 0);
  udp.writeUInt16BE(to.port, 2);
  udp.writeUInt16BE(8 + 172, 4);
  const message = Buffer.concat([Buffer.from([3, 3, 0, 0, 0, 0, 0, 0]), ip, udp, quoted]);
  message.writeUInt16BE(checksum(message), 2);
  return message;
}

/** Tells `from` that nobody listens at `to`; each of `quotes` in a message of its own. */
export async function forgeRefusals(
  from: SocketAddress,
  to: SocketAddress,
  quotes: readonly Buffer[],
): Promise<void> {
  const perl = spawn('perl', ['-e', sender], { stdio: ['pipe', 'ignore', 'inherit'] });
  const lines = quotes.map(
    (quoted) => `${from.ip} ${portUnreachable(from, to, quoted).toString('hex')}\n`,
  );
  perl.stdin.end(lines.join(''));
  const [code] = (await once(perl, 'close')) as [number];
  if (code !== 0) throw new Error(`perl ended with ${code}`);
}
