import Bull from 'bull';
import { PREFIX } from './one-by-one.mjs';

/** As many as the product's worker has. */
const CONCURRENCY = 512;

/** A worker whose jobs do nothing: what Bull itself costs. */
const queue = new Bull('bull-alone', { prefix: PREFIX, redis: { path: process.env.REDIS_URL } });
void queue.process(CONCURRENCY, async () => {});
await queue.isReady();
process.once('SIGTERM', () => void queue.close().then(() => process.exit()));
process.stdout.write('Tessera worker is ready. http://127.0.0.1\n');
