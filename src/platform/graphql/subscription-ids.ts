import {
  CloseCode,
  type ConnectionAckMessage,
  type ErrorMessage,
  type Message,
  MessageType,
  type NextMessage,
  type SubscribePayload,
  validateMessage,
} from 'graphql-ws';
import type { Channel } from './channel.ts';
import { SocketRefusal } from './socket-protocol.ts';

/** Messages about a subscription, as graphql-ws writes them. */
const ABOUT_SUBSCRIPTION = /^\{"id":"(\d+)","type":"(next|error|complete)"/;

/** Clients use UUIDs or shorter ids. Every message repeats the id. */
const LONGEST_ID = 256;

/**
 * Translates the ids that a client gives to subscriptions into ids that are used once.
 *
 * graphql-ws finds a subscription by the client's id until it has ended, which is later than the
 * client's `complete`: if the client reuses the id in between, graphql-ws takes one subscription
 * for the other, and completes the new one without data.
 *
 * Messages are parsed here, before graphql-ws: it throws for a message that only servers send, and
 * would retain the payload of `subscribe` for as long as the subscription.
 */
export class SubscriptionIds {
  /** Active subscriptions: ours by the client's id, and the reverse. */
  readonly #ours = new Map<string, string>();
  readonly #clients = new Map<string, string>();
  readonly #payloads = new Map<string, SubscribePayload>();
  #last = 0;

  /** Returns the payload of `subscribe` once. @param id one of ours */
  takePayload = (id: string): SubscribePayload => {
    const payload = this.#payloads.get(id);
    this.#payloads.delete(id);
    return payload ?? { query: '' };
  };

  /** Wraps the channel to a client into the one for graphql-ws. */
  translate(channel: Channel): Channel {
    return {
      close: channel.close,
      send: (message) => {
        const translated = this.#toClient(message);
        return translated === undefined ? undefined : channel.send(translated);
      },
      onMessage: (handle) => {
        channel.onMessage(async (message) => {
          const translated = this.#fromClient(message);
          // Not awaited, because the message would be retained until the subscription ends.
          return translated === undefined ? undefined : handle(translated);
        });
      },
    };
  }

  /**
   * @returns undefined if the message needs no handling
   * @throws SocketRefusal 4400, or 4409 if the id is in use
   */
  #fromClient(text: string): string | undefined {
    const message = parseMessage(text);
    if (message.type === MessageType.Complete) return this.#complete(message.id);
    if (message.type !== MessageType.Subscribe) return stringified(message);
    if (this.#ours.has(message.id))
      throw new SocketRefusal(CloseCode.SubscriberAlreadyExists, 'Subscriber already exists');
    const id = String(++this.#last);
    this.#ours.set(message.id, id);
    this.#clients.set(id, message.id);
    this.#payloads.set(id, message.payload);
    return JSON.stringify({ id, type: MessageType.Subscribe, payload: { query: '' } });
  }

  #complete(clientId: string): string | undefined {
    const id = this.#ours.get(clientId);
    if (id === undefined) return undefined;
    this.#end(clientId, id);
    return JSON.stringify({ id, type: MessageType.Complete });
  }

  #end(clientId: string, id: string): void {
    this.#ours.delete(clientId);
    this.#clients.delete(id);
  }

  /** @returns undefined if the client has completed the subscription */
  #toClient(message: string): string | undefined {
    const [prefix = '', id, type] = ABOUT_SUBSCRIPTION.exec(message) ?? [];
    if (id === undefined) return message;
    const clientId = this.#clients.get(id);
    if (clientId === undefined) return undefined;
    if (type !== MessageType.Next) this.#end(clientId, id);
    return `{"id":${JSON.stringify(clientId)},"type":"${type}"${message.slice(prefix.length)}`;
  }
}

type ClientMessage = Exclude<Message, ConnectionAckMessage | NextMessage | ErrorMessage>;

/** @throws SocketRefusal 4400 if the message is invalid, or one that only servers send */
function parseMessage(text: string): ClientMessage {
  const message = orInvalid(() => validateMessage(JSON.parse(text)));
  if (isForServers(message) && !('id' in message && message.id.length > LONGEST_ID)) return message;
  throw invalidMessage();
}

function isForServers(message: Message): message is ClientMessage {
  const { ConnectionAck, Next, Error: Failed } = MessageType;
  return message.type !== ConnectionAck && message.type !== Next && message.type !== Failed;
}

/** JSON that is nested too deep can be parsed, but not written. */
const stringified = (message: Message) => orInvalid(() => JSON.stringify(message));

function orInvalid<T>(work: () => T): T {
  try {
    return work();
  } catch {
    throw invalidMessage();
  }
}

const invalidMessage = () => new SocketRefusal(CloseCode.BadRequest, 'Invalid message received');
