import { parseArgs } from 'node:util';
import { messageOf, TandemError } from '../errors.ts';
import type { MediaPath } from '../recording/interfaces.ts';

export interface DemoOptions {
  readonly json: boolean;
  readonly wav: string | undefined;
  readonly pcap: string | undefined;
  /** Absent: as long as the media is. */
  readonly seconds: number | undefined;
  readonly path: MediaPath;
  readonly dir: string | undefined;
  readonly replay: boolean;
  readonly keep: boolean;
}

export const demoUsage = `usage: tandem demo [OPTIONS]

Two parties talk through Tandem over real UDP, two recorders record the call, and a third of the
way in the recorder of leg 1 is killed. Exits with 0 when everything it promises held.

  --wav FILE      play this: PCM, mu-law or A-law; the left channel is party a, the right one b
  --pcap FILE     replay the two RTP streams of a captured call (pcap or pcapng), as captured
  --seconds N     play N seconds: cut, or for speech repeated
  --path PATH     mediasoup (default) or direct
  --no-replay     do not send a moved leg what it missed: shows the loss as measured
  --dir DIR       where recordings and logs go (default demo-recordings/<time>)
  --keep          leave Tandem running at the end, until Ctrl-C
  --json          print the result as JSON, and nothing else, on standard output
`;

const secondsMin = 2;
const secondsMax = 3_600;

/** Undefined: help was asked for. Errors: CONFIG_INVALID. */
export function readDemoOptions(args: readonly string[]): DemoOptions | undefined {
  const values = parse(args);
  if (values.help === true) return undefined;
  if (values.wav !== undefined && values.pcap !== undefined) {
    throw new TandemError('CONFIG_INVALID', 'give --wav or --pcap, not both');
  }
  const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
  if (seconds !== undefined && !(seconds >= secondsMin && seconds <= secondsMax)) {
    throw new TandemError('CONFIG_INVALID', `--seconds: from ${secondsMin} to ${secondsMax}`);
  }
  const path = values.path ?? 'mediasoup';
  if (path !== 'mediasoup' && path !== 'direct') {
    throw new TandemError('CONFIG_INVALID', '--path: mediasoup or direct');
  }
  return {
    json: values.json === true,
    wav: values.wav,
    pcap: values.pcap,
    seconds,
    path,
    dir: values.dir,
    replay: values['no-replay'] !== true,
    keep: values.keep === true,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean' },
        wav: { type: 'string' },
        pcap: { type: 'string' },
        seconds: { type: 'string' },
        path: { type: 'string' },
        dir: { type: 'string' },
        'no-replay': { type: 'boolean' },
        keep: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (cause) {
    throw new TandemError('CONFIG_INVALID', messageOf(cause), { cause });
  }
}
