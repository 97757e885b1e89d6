import { pino } from 'pino';
import { messageOf } from '../../src/errors.ts';
import type { EstablishRequest, RecordedStream } from '../../src/recording/interfaces.ts';
import { SipUserAgent } from '../../src/sip/ua/user-agent.ts';
import { SiprecClient } from '../../src/siprec/client.ts';
import type { SessionSnapshot } from '../../src/siprec/client.ts';

/** What its parent asks of it. */
export type SourceOrder =
  | { readonly do: 'establish'; readonly request: EstablishRequest }
  | {
      readonly do: 'update';
      readonly recordId: string;
      readonly streams: readonly RecordedStream[];
      readonly paused: boolean;
    };

/** What it tells its parent. */
export type SourceNews =
  | { readonly what: 'ready'; readonly port: number }
  | { readonly what: 'kept'; readonly recordId: string; readonly snapshot: SessionSnapshot }
  | { readonly what: 'forgotten'; readonly recordId: string }
  | { readonly what: 'done' }
  | { readonly what: 'failed'; readonly reason: string };

let delivered: Promise<unknown> = Promise.resolve();

function tell(news: SourceNews): void {
  delivered = new Promise((resolve) => process.send?.(news, resolve));
}

const logger = pino({ level: 'silent' });
const userAgent = await SipUserAgent.create({
  host: '127.0.0.1',
  port: 0,
  transports: ['udp', 'tcp'],
  userAgent: 'test',
  logger,
  extensions: ['siprec'],
  handlers: {},
});
const client = new SiprecClient({
  userAgent,
  logger,
  keeper: {
    keep: (recordId, snapshot) => {
      tell({ what: 'kept', recordId, snapshot });
    },
    forget: (recordId) => {
      tell({ what: 'forgotten', recordId });
    },
    flush: async () => {
      await delivered;
    },
  },
});

process.on('message', (order: SourceOrder) => {
  const done =
    order.do === 'establish'
      ? client.establish(order.request)
      : client.update(order.recordId, order);
  void done.then(
    () => {
      tell({ what: 'done' });
    },
    (error: unknown) => {
      tell({ what: 'failed', reason: messageOf(error) });
    },
  );
});
// Not to outlive a test that was killed.
process.on('disconnect', () => process.exit());
tell({ what: 'ready', port: userAgent.addresses.udp?.port ?? 0 });
