import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { z } from 'zod';
import type { Logger } from '../logger.ts';

/** Pub/sub channels know no database number: two deployments on one Redis need two channels. */
const CHANNEL = 'tessera:wake';
const IDS_PER_MESSAGE = 1_000;
/** A connection may die without a word, and one that only listens would never know. */
const HEARTBEAT_MS = 5_000;

const Message = z.object({ from: z.string(), topic: z.string(), ids: z.array(z.string()) });
type Message = z.infer<typeof Message>;

type WakeListener = (topic: string, ids: readonly string[]) => void;
type Unsubscribe = () => void;

interface PubSubOptions {
  /** `redis://…`, `rediss://…`, or the path of a unix socket. */
  url: string;
  log: Pick<Logger, 'warn'>;
  channel?: string;
}

/**
 * Wake-ups between processes: "what has this id under this topic may have changed, read it again".
 */
export interface PubSub {
  /**
   * Wakes the listeners of this process before it returns, and those of the others as soon as Redis
   * passes it on. Best effort and never in the way: it neither throws nor waits, and while Redis is
   * away the others hear nothing.
   */
  publish(topic: string, ids: readonly string[]): void;
  onWake(listener: WakeListener): Unsubscribe;
  /**
   * Called each time the subscription stands (again): messages from before may have been missed.
   */
  onReconnect(listener: () => void): Unsubscribe;
  /**
   * Sends what is under way (500 ms at most), then lets go of both connections and of all
   * listeners.
   */
  close(): Promise<void>;
}

/** Connects in the background and for ever: it returns at once, also while Redis is away. */
export function createPubSub({ url, log, channel = CHANNEL }: PubSubOptions): PubSub {
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
      if (!message) log.warn({ channel }, 'a pub/sub message that is not ours was ignored');
      // Our own listeners have been woken already.
      else if (message.from !== from) wake(message.topic, message.ids);
    },
  });

  return {
    publish(topic, ids) {
      const distinctIds = [...new Set(ids)];
      if (distinctIds.length > 0) wake(topic, distinctIds);
      for (let start = 0; start < distinctIds.length; start += IDS_PER_MESSAGE) {
        const message: Message = { from, topic, ids: distinctIds.slice(start, start + IDS_PER_MESSAGE) };
        publisher.redis.publish(channel, JSON.stringify(message)).then(publisher.works, publisher.fails);
      }
    },
    onWake: (listener) => join(wakeListeners, listener),
    onReconnect: (listener) => join(reconnectListeners, listener),
    async close() {
      wakeListeners.clear();
      reconnectListeners.clear();
      stopListening();
      await publisher.redis.quit().catch(() => publisher.redis.disconnect());
    },
  };
}

/** Listens whenever there is a connection; returns how to stop. */
function listen(
  { redis, fails }: Connection,
  channel: string,
  { onListening, onMessage }: { onListening(): void; onMessage(text: string): void },
): () => void {
  redis.on('ready', () => void redis.subscribe(channel).then(onListening, fails));
  redis.on('message', (_channel, text) => onMessage(text));
  const heartbeat = setInterval(() => {
    if (redis.status === 'ready') redis.ping().catch(fails);
  }, HEARTBEAT_MS).unref();
  return () => {
    clearInterval(heartbeat);
    redis.disconnect();
  };
}

interface Connection {
  redis: Redis;
  works(): void;
  /** Logs the first failure of an outage, and begins anew if the connection still looks healthy. */
  fails(err: unknown): void;
}

interface ConnectionOptions extends Pick<PubSubOptions, 'log'> {
  commandTimeout: number;
  purpose: string;
}

/**
 * Nothing is kept to be sent later: what could not be said at once is made good by whoever missed
 * it.
 */
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
  let isAway = false;
  const works = () => {
    isAway = false;
  };
  const fails = (err: unknown) => {
    if (isAway) return;
    isAway = true;
    log.warn({ err }, `Redis pub/sub: ${purpose} fails`);
    if (redis.status === 'ready') redis.disconnect(true);
  };
  redis.on('ready', works).on('error', fails);
  return { redis, works, fails };
}

function join<Listener>(listeners: Set<Listener>, listener: Listener): Unsubscribe {
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
