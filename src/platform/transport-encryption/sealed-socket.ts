import { z } from 'zod';
import type { Channel, SealableChannel } from '../graphql/channel.ts';
import { SocketRefusal } from '../graphql/socket-protocol.ts';
import { delayRefusal } from './delay-refusal.ts';
import { orInvalid } from './jwe.ts';
import { createSocketSeal, type SocketSeal } from './socket-seal.ts';
import { TransportEncryptionError } from './transport-encryption.errors.ts';
import type { TransportEncryption } from './transport-encryption.ts';

interface SealSettings {
  open: TransportEncryption['open'];
  /** Messages per direction after which the connection is closed; 2^20 by default. */
  messagesPerKey?: number;
}

/** With random 96-bit IVs, the probability of a collision among 2^20 messages is below 2^-56. */
const MESSAGES_PER_KEY = 2 ** 20;

const BAD_REQUEST = 4400;
/** After this code graphql-ws clients reconnect, with a new key. */
const GOING_AWAY = 1001;

const Start = z.object({ type: z.literal('connection_init'), payload: z.looseObject({ jwe: z.unknown() }) });
const SealedStart = z.object({ payload: z.strictObject({ jwe: z.string() }) });

/**
 * Adds optional encryption to a channel; the user of the returned channel sees plaintext either
 * way. If the client's `connection_init` is encrypted, all further messages in both directions must
 * be compact JWEs under the key it contains, numbered from 0 per direction. Any other message
 * closes the channel with 4400. If `connection_init` is plaintext, so are all further messages.
 */
export function sealable(channel: Channel, settings: SealSettings): SealableChannel {
  return new SealedOnDemand(channel, settings);
}

class SealedOnDemand implements SealableChannel {
  readonly #channel: Channel;
  readonly #settings: Required<SealSettings>;
  #seal: SocketSeal | undefined;
  #read = (first: string) => this.#begin(first);
  #reading: Promise<unknown> = Promise.resolve();

  constructor(channel: Channel, settings: SealSettings) {
    this.#channel = channel;
    this.#settings = { messagesPerKey: MESSAGES_PER_KEY, ...settings };
  }

  isSealed = () => this.#seal !== undefined;

  send = async (message: string) => {
    await this.#channel.send(this.#seal ? await this.#seal.close(message) : message);
    await this.#closeAtKeyLimit();
  };

  close = async (code?: number, reason?: string) => {
    await this.#seal?.settled();
    await this.#channel.close(code, reason);
  };

  onMessage = (handle: (message: string) => Promise<void>) => {
    this.#channel.onMessage((frame) => {
      // Sequential: a message can be decrypted only after the one before it.
      const message = this.#reading.then(() => this.#next(frame));
      this.#reading = message.catch(() => undefined);
      return message.then(handle);
    });
  };

  async #next(frame: string): Promise<string> {
    const since = performance.now();
    try {
      const message = await this.#read(frame);
      await this.#closeAtKeyLimit();
      return message;
    } catch (error) {
      // Rejects all further messages without decrypting them.
      this.#read = () => Promise.reject(error);
      if (!(error instanceof TransportEncryptionError)) throw error;
      await delayRefusal(performance.now() - since);
      throw new SocketRefusal(BAD_REQUEST, error.code);
    }
  }

  async #begin(first: string): Promise<string> {
    this.#read = async (message) => message;
    const jwe = sealedStart(first);
    if (jwe === undefined) return first;
    const { accessToken, replyKey } = await this.#settings.open(jwe, 'socket');
    this.#seal = createSocketSeal(replyKey);
    this.#read = this.#seal.open;
    const payload = accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` };
    return JSON.stringify({ type: 'connection_init', payload });
  }

  async #closeAtKeyLimit(): Promise<void> {
    if (!this.#seal || this.#seal.used() < this.#settings.messagesPerKey) return;
    await this.close(GOING_AWAY, 'Message limit of the key reached');
  }
}

/**
 * Extracts the JWE from an encrypted `connection_init`; undefined if the message is plaintext.
 *
 * @throws TransportEncryptionError INVALID_CIPHERTEXT if the message mixes a JWE with plaintext
 */
function sealedStart(first: string): string | undefined {
  if (!first.includes('"jwe"')) return undefined;
  const start = Start.safeParse(parsed(first));
  return start.success ? orInvalid(() => SealedStart.parse(start.data).payload.jwe) : undefined;
}

/** Undefined for invalid JSON, which graphql-ws then reports. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
