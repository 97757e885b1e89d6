import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { ResourceManager } from '../../src/resource/resource-manager.ts';
import { SipUserAgent } from '../../src/sip/ua/user-agent.ts';

const logger = pino({ level: 'silent' });
const host = '127.0.0.1';
const open: { close(): Promise<void> | void }[] = [];

afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.close();
});

async function userAgent(port: number, transport: 'udp' | 'tcp'): Promise<SipUserAgent> {
  const options = { host, port, transports: [transport], userAgent: 'test', logger, handlers: {} };
  const created = await SipUserAgent.create(options);
  open.push(created);
  return created;
}

it.each(['udp', 'tcp'] as const)(
  'sees a recorder die and come back by OPTIONS over %s',
  async (transport) => {
    const prober = await userAgent(0, transport);
    const recorder = await userAgent(0, transport);
    const { port } = recorder.addresses[transport]!;
    const uri = `sip:${host}:${port};transport=${transport}`;
    const manager = await ResourceManager.create({
      settings: {
        policy: 'least-loaded',
        promotion: 'manual',
        health: { intervalMs: 100, timeoutMs: 100, failures: 2, successes: 1 },
      },
      recorders: [
        { id: 'r1', uri, zone: 'z', capacity: 1, weight: 1, state: 'up', tenants: [], sites: [] },
      ],
      probe: (target, timeoutMs) => prober.options({ uri: target, timeoutMs }),
      logger,
    });
    open.push(manager);
    const deaths: unknown[] = [];
    manager.on('recorderDown', (death) => deaths.push(death));
    // A machine that stands still for a moment may let any probe time out: what comes of it in the end is what counts.
    const becomes = (state: string): Promise<void> =>
      expect.poll(() => manager.list()[0]!.state, { timeout: 30_000 }).toBe(state);
    await becomes('up');

    await recorder.close();
    await becomes('down');
    expect(deaths).toContainEqual(
      expect.objectContaining({ recorder: 'r1', reason: 'options_timeout' }),
    );

    await userAgent(port, transport);
    await becomes('up');
  },
);
