import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Tools that are not ours run without the sanitizers' runtime: capinfos hangs in it. */
export const toolEnvironment: NodeJS.ProcessEnv = { ...process.env, LD_PRELOAD: '' };

/** The fields of the packets of a capture file that `filter` lets through, as tshark decodes them; RTP by the ports given. */
export async function tsharkFields(
  file: string,
  options: {
    readonly fields: readonly string[];
    readonly filter?: string;
    readonly decode?: Readonly<Record<number, 'rtp' | 'rtcp'>>;
  },
): Promise<string[][]> {
  const decode = Object.entries(options.decode ?? {}).flatMap(([port, protocol]) => [
    '-d',
    `udp.port==${port},${protocol}`,
  ]);
  const { stdout } = await run(
    'tshark',
    [
      ...['-r', file, '-o', 'udp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE'],
      ...decode,
      ...(options.filter === undefined ? [] : ['-Y', options.filter]),
      ...['-T', 'fields', '-E', 'separator=/t'],
      ...options.fields.flatMap((field) => ['-e', field]),
    ],
    { maxBuffer: 64 * 1_024 * 1_024, env: toolEnvironment },
  );
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}
