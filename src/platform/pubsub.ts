import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { z } from 'zod';
import type { Logger } from './logger.ts';

/** Pub/sub channels know no database number: two deployments on one Redis need two channels. */
const CHANNEL = 'tessera:wake';
const IDS_PER_MESSAGE = 1_000;

const Message = z.object({ from: z.string(), topic: z.string(), ids: z.array(z.string()) });
type Message = z.infer<typeof Message>;

type WakeListener = (topic: string, ids: readonly string[]) => void;
type Unsubscribe = () => void;

export interface PubSubOptions {
  /** `redis://…`, `rediss://…`, or the path of a unix socket. */
  url: string;
  log: Pick<Logger, 'warn'>;
  channel?: string;
}

/** Wake-ups between processes: "what has this id under this topic may have changed, read it again". */
export interface PubSub {
  /**
   * Wakes the listeners of this process before it returns, and those of the others as soon as Redis passes it on.
   * Best effort and never in the way: it neither throws nor waits, and while Redis is away the others hear nothing.
   */
  publish(topic: string, ids: readonly string[]): void;
  onWake(listener: WakeListener): Unsubscribe;
  /** Called each time the subscription stands (again): messages from before may have been missed. */
  onReconnect(listener: () => void): Unsubscribe;
  /** Sends what is under way (500 ms at most), then lets go of both connections and of all listeners. */
  close(): Promise<void>;
}

/** Connects in the background and for ever: it returns at once, also while Redis is away. */
export function createPubSub({ url, log, channel = CHANNEL }: PubSubOptions): PubSub {
  const from = randomUUID();
  const wakeListeners = new Set<WakeListener>();
  const reconnectListeners = new Set<() => void>();
  const publishing = outageLog(log, 'publishing fails');
  const publisher = connect(url, { commandTimeout: 500, outage: publishing });
  const subscriber = connect(url, { commandTimeout: 2_000, outage: outageLog(log, 'listening fails') });

  const deliver = ({ topic, ids }: Pick<Message, 'topic' | 'ids'>) => {
    for (const listener of [...wakeListeners]) listener(topic, ids);
  };
  subscriber.on('ready', () => {
    subscriber.subscribe(channel).then(
      () => {
        for (const listener of [...reconnectListeners]) listener();
      },
      // A connection that listens to nothing looks healthy: begin anew instead. One already lost does so by itself.
      () => subscriber.status === 'ready' && subscriber.disconnect(true),
    );
  });
  subscriber.on('message', (_channel, text) => {
    const message = parseMessage(text);
    if (!message) log.warn({ channel }, 'a pub/sub message that is not ours was ignored');
    else if (message.from !== from) deliver(message);
  });

  return {
    publish(topic, ids) {
      const distinctIds = [...new Set(ids)];
      if (distinctIds.length > 0) deliver({ topic, ids: distinctIds });
      for (let start = 0; start < distinctIds.length; start += IDS_PER_MESSAGE) {
        const message: Message = { from, topic, ids: distinctIds.slice(start, start + IDS_PER_MESSAGE) };
        publisher.publish(channel, JSON.stringify(message)).then(publishing.ends, publishing.begins);
      }
    },
    onWake: (listener) => join(wakeListeners, listener),
    onReconnect: (listener) => join(reconnectListeners, listener),
    async close() {
      wakeListeners.clear();
      reconnectListeners.clear();
      subscriber.disconnect();
      await publisher.quit().catch(() => publisher.disconnect());
    },
  };
}

/** Nothing is kept for later: what could not be said now is made good by whoever missed it. */
function connect(
  url: string,
  { commandTimeout, outage }: { commandTimeout: number; outage: OutageLog },
): Redis {
  const connection = new Redis(url, {
    commandTimeout,
    connectTimeout: 2_000,
    keepAlive: 10_000,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(attempt * 50, 1_000),
  });
  return connection.on('ready', outage.ends).on('error', outage.begins);
}

interface OutageLog {
  begins(err: unknown): void;
  ends(): void;
}

/** One line when an outage begins, not one for each message. */
function outageLog(log: Pick<Logger, 'warn'>, what: string): OutageLog {
  let isAway = false;
  return {
    begins(err) {
      if (!isAway) log.warn({ err }, `Redis pub/sub: ${what}`);
      isAway = true;
    },
    ends() {
      isAway = false;
    },
  };
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
