import { parseArgs } from 'node:util';
import { messageOf, TandemError } from '../errors.ts';

export interface MergeOptions {
  readonly inputs: readonly string[];
  /** Absent: a folder of the current one, named by the time. */
  readonly out: string | undefined;
  readonly report: 'json' | 'text';
}

export const mergeUsage = `usage: tandem merge [OPTIONS] INPUT...

Unites recordings of one call into one: each packet once, by stream and sequence number. An INPUT
is a recording's folder (with media.pcapng, or media.partial.pcapng of a recorder that died) or
any pcap or pcapng file, say tcpdump's.

  --out DIR         the folder to make (default merged-<time>); it must not exist
  --report FORMAT   text (default) or json, on standard output; DIR/merge.json has it in any case

Exits with 0 when all is well; 3 when it merged and there is something to complain about (a damaged
input, payloads that differ, an input of another call); 1 when nothing was merged; 2 when called
wrongly. Packets that no input has are reported and are no complaint.
`;

/** Undefined: help was asked for. Errors: CONFIG_INVALID. */
export function readMergeOptions(args: readonly string[]): MergeOptions | undefined {
  const { values, positionals } = parse(args);
  if (values.help === true) return undefined;
  if (positionals.length === 0) throw new TandemError('CONFIG_INVALID', 'no input was given');
  const report = values.report ?? 'text';
  if (report !== 'json' && report !== 'text') {
    throw new TandemError('CONFIG_INVALID', '--report: json or text');
  }
  return { inputs: positionals, out: values.out, report };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        out: { type: 'string' },
        report: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (cause) {
    throw new TandemError('CONFIG_INVALID', messageOf(cause), { cause });
  }
}
