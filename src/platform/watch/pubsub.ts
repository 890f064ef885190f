import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import { causedBy, currentTrace } from '../telemetry/tracing.ts';

const IDS_PER_MESSAGE = 1_000;
/** Detects dead connections, which a connection that only listens would never notice. */
const HEARTBEAT_MS = 5_000;

const Message = z.object({
  from: z.string(),
  topic: z.string(),
  ids: z.array(z.string()),
  /** The span that published it, if it is traced. Older processes ignore it. */
  traceparent: z.string().optional(),
});
type Message = z.infer<typeof Message>;

type WakeListener = (topic: string, ids: readonly string[]) => void;
type Unsubscribe = () => void;

interface PubSubOptions {
  /** `redis://…`, `rediss://…`, or the path of a unix socket. */
  url: string;
  log: Pick<Logger, 'warn'>;
  /**
   * Channels are not separated by database number: each deployment on a shared Redis needs its own.
   */
  channel?: string;
}

/**
 * Wake-ups between processes: "the value of this id under this topic may have changed; read it
 * again".
 */
export interface PubSub {
  /**
   * Wakes the listeners of this process synchronously, and those of other processes through Redis.
   * Best effort: it neither throws nor waits, and the message is lost while Redis is unavailable.
   */
  publish(topic: string, ids: readonly string[]): void;
  onWake(listener: WakeListener): Unsubscribe;
  /** Called whenever the subscription is (re)established: earlier messages may have been missed. */
  onReconnect(listener: () => void): Unsubscribe;
  /**
   * Sends pending messages (within 500 ms), then closes both connections and removes all listeners.
   */
  close(): Promise<void>;
}

/**
 * Returns immediately, even while Redis is unavailable, and connects in the background with
 * unlimited retries.
 */
export function createPubSub({ url, log, channel = 'tessera:wake' }: PubSubOptions): PubSub {
  const from = randomUUID();
  const wakeListeners = new Set<WakeListener>();
  const reconnectListeners = new Set<() => void>();
  const wake = (topic: string, ids: readonly string[]) => {
    for (const listener of [...wakeListeners]) listener(topic, ids);
  };
  const publisher = connect(url, { commandTimeout: 500, log, purpose: 'publishing' });
  const stopListening = listen(connect(url, { commandTimeout: 2_000, log, purpose: 'listening' }), channel, {
    onListening() {
      for (const listener of [...reconnectListeners]) listener();
    },
    onMessage(text) {
      const message = parseMessage(text);
      if (!message) log.warn({ channel }, 'ignored an invalid pub/sub message');
      // `publish` has already woken the listeners of this process.
      else if (message.from !== from) causedBy(message.traceparent, () => wake(message.topic, message.ids));
    },
  });

  return {
    publish(topic, ids) {
      const distinctIds = [...new Set(ids)];
      if (distinctIds.length > 0) wake(topic, distinctIds);
      const traceparent = currentTrace();
      for (let start = 0; start < distinctIds.length; start += IDS_PER_MESSAGE) {
        const message: Message = {
          ...{ from, topic, ids: distinctIds.slice(start, start + IDS_PER_MESSAGE) },
          ...(traceparent && { traceparent }),
        };
        publisher.redis
          .publish(channel, JSON.stringify(message))
          .then(publisher.onSuccess, publisher.onFailure);
      }
    },
    onWake: (listener) => addListener(wakeListeners, listener),
    onReconnect: (listener) => addListener(reconnectListeners, listener),
    async close() {
      wakeListeners.clear();
      reconnectListeners.clear();
      stopListening();
      await publisher.redis.quit().catch(() => publisher.redis.disconnect());
    },
  };
}

/** Subscribes after every (re)connect. @returns a function that stops listening */
function listen(
  { redis, onFailure }: Connection,
  channel: string,
  { onListening, onMessage }: { onListening(): void; onMessage(text: string): void },
): () => void {
  redis.on('ready', () => void redis.subscribe(channel).then(onListening, onFailure));
  redis.on('message', (_channel, text) => onMessage(text));
  const heartbeat = setInterval(() => {
    if (redis.status === 'ready') redis.ping().catch(onFailure);
  }, HEARTBEAT_MS).unref();
  return () => {
    clearInterval(heartbeat);
    redis.disconnect();
  };
}

interface Connection {
  redis: Redis;
  onSuccess(): void;
  /** Logs the first failure of an outage, and reconnects if the connection still looks healthy. */
  onFailure(err: unknown): void;
}

interface ConnectionOptions extends Pick<PubSubOptions, 'log'> {
  commandTimeout: number;
  purpose: string;
}

/** Messages are not queued while disconnected: listeners reread everything after a reconnect. */
function connect(url: string, { commandTimeout, log, purpose }: ConnectionOptions): Connection {
  const redis = new Redis(url, {
    commandTimeout,
    connectTimeout: 2_000,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 50, 1_000),
  });
  let isFailing = false;
  const onSuccess = () => {
    isFailing = false;
  };
  const onFailure = (err: unknown) => {
    if (isFailing) return;
    isFailing = true;
    log.warn({ err, purpose }, 'Redis pub/sub connection failed');
    if (redis.status === 'ready') redis.disconnect(true);
  };
  redis.on('ready', onSuccess).on('error', onFailure);
  return { redis, onSuccess, onFailure };
}

function addListener<Listener>(listeners: Set<Listener>, listener: Listener): Unsubscribe {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

function parseMessage(text: string): Message | undefined {
  try {
    return Message.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
