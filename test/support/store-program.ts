import { pino } from 'pino';
import { systemClock } from '../../src/clock.ts';
import { SqliteStore } from '../../src/store/sqlite-store.ts';
import { StoreWriter } from '../../src/store/store-writer.ts';

/** Writes batches of records that all have the number of the batch, and tells each once it is in the store. */
const records = 40;
const [, , dir = ''] = process.argv;
const logger = pino({ level: 'silent' });
const store = await SqliteStore.create({ dir, logger });
const writer = new StoreWriter({ store, clock: systemClock, logger });

// Not to outlive a test that was killed.
process.on('disconnect', () => process.exit());
for (let batch = 1; ; batch++) {
  for (let at = 0; at < records; at++)
    writer.put('call', `c${at}`, { batch, filling: 'x'.repeat(2_000) });
  await writer.flush();
  process.send?.(batch);
}
