import { expect, it } from 'vitest';
import { HostNames } from '../../../src/sip/transport/host-names.ts';
import type { HostAddress } from '../../../src/sip/transport/host-names.ts';
import { FakeClock } from './support/fake-clock.ts';

const found = [{ address: '192.0.2.7', family: 4 }];

function resolver() {
  const clock = new FakeClock();
  const asked: {
    host: string;
    resolve: (found: readonly HostAddress[]) => void;
    reject: (error: Error) => void;
  }[] = [];
  const names = new HostNames({
    clock,
    timeoutMs: 2_000,
    lookup: (host) => {
      const { promise, resolve, reject } = Promise.withResolvers<readonly HostAddress[]>();
      asked.push({ host, resolve, reject });
      return promise;
    },
  });
  return { clock, asked, names };
}

it('gives what was found last while the resolver fails', async () => {
  const { asked, names } = resolver();
  const first = names.addressesOf('rec.example.com');
  asked[0]?.resolve(found);
  expect(await first).toEqual(found);
  const second = names.addressesOf('REC.example.com');
  asked[1]?.reject(new Error('EAI_AGAIN'));
  expect(await second).toEqual(found);
});

it('gives what was found last when the resolver is silent, at once from the second time on', async () => {
  const { clock, asked, names } = resolver();
  const first = names.addressesOf('rec.example.com');
  asked[0]?.resolve(found);
  await first;
  const second = names.addressesOf('rec.example.com');
  clock.advance(250);
  expect(await second).toEqual(found);
  const third = names.addressesOf('rec.example.com');
  clock.advance(0);
  expect(await third).toEqual(found);
  // One question is open, however many want to know.
  expect(asked).toHaveLength(2);
});

it('takes a new address as soon as it is told', async () => {
  const { asked, names } = resolver();
  const first = names.addressesOf('rec.example.com');
  asked[0]?.resolve(found);
  await first;
  const moved = [{ address: '192.0.2.8', family: 4 }];
  const second = names.addressesOf('rec.example.com');
  asked[1]?.resolve(moved);
  expect(await second).toEqual(moved);
});

it('fails in bounded time for a name that was never found', async () => {
  const { clock, asked, names } = resolver();
  const outcome = names.addressesOf('nowhere.example.com').catch((error: unknown) => error);
  clock.advance(2_000);
  expect(await outcome).toBeInstanceOf(Error);
  asked[0]?.resolve([]);
  const empty = names.addressesOf('empty.example.com').catch((error: unknown) => error);
  asked[1]?.resolve([]);
  expect(await empty).toBeInstanceOf(Error);
  expect(clock.pending).toBe(0);
});

it('remembers a bounded number of names, the latest', async () => {
  const { asked, names } = resolver();
  for (let i = 0; i <= 1_000; i += 1) {
    const one = names.addressesOf(`r${String(i)}.example.com`);
    asked.at(-1)?.resolve(found);
    await one;
  }
  const forgotten = names.addressesOf('r0.example.com').catch((error: unknown) => error);
  asked.at(-1)?.reject(new Error('EAI_AGAIN'));
  expect(await forgotten).toBeInstanceOf(Error);
  const kept = names.addressesOf('r1000.example.com');
  asked.at(-1)?.reject(new Error('EAI_AGAIN'));
  expect(await kept).toEqual(found);
});
