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
  /** How many messages may go either way under one key. */
  messagesPerKey?: number;
}

/** Initialisation vectors are random: among so many the chance that two are alike is below one in 2^56. */
const MESSAGES_PER_KEY = 2 ** 20;

const BAD_REQUEST = 4400;
/** graphql-ws clients come again, and bring another key. */
const GOING_AWAY = 1001;

const Start = z.object({ type: z.literal('connection_init'), payload: z.looseObject({ jwe: z.unknown() }) });
const SealedStart = z.object({ payload: z.strictObject({ jwe: z.string() }) });

/**
 * Puts a seal around a channel. A client that begins in clear goes on in clear. One whose `connection_init` is encrypted
 * gets and sends nothing but compact JWEs from then on, under the key that came in it and numbered from 0 in either
 * direction; for anything else he is closed with 4400. Whoever uses the channel sees the same clear messages in both cases.
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
    await this.#endWornSeal();
  };

  close = async (code?: number, reason?: string) => {
    await this.#seal?.settled();
    await this.#channel.close(code, reason);
  };

  onMessage = (handle: (message: string) => Promise<void>) => {
    this.#channel.onMessage((frame) => {
      // One after the other: the next one cannot be opened before this one was.
      const message = this.#reading.then(() => this.#next(frame));
      this.#reading = message.catch(() => undefined);
      return message.then(handle);
    });
  };

  async #next(frame: string): Promise<string> {
    const since = performance.now();
    try {
      const message = await this.#read(frame);
      await this.#endWornSeal();
      return message;
    } catch (error) {
      // Nothing that follows is looked at.
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
    const { accessToken, replyKey } = await this.#settings.open(jwe);
    this.#seal = createSocketSeal(replyKey);
    this.#read = this.#seal.open;
    const payload = accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` };
    return JSON.stringify({ type: 'connection_init', payload });
  }

  async #endWornSeal(): Promise<void> {
    if (!this.#seal || this.#seal.used() < this.#settings.messagesPerKey) return;
    await this.close(GOING_AWAY, 'The key was used often enough');
  }
}

/** @throws TransportEncryptionError INVALID_CIPHERTEXT for what is half encrypted and half not */
function sealedStart(first: string): string | undefined {
  if (!first.includes('"jwe"')) return undefined;
  const start = Start.safeParse(parsed(first));
  return start.success ? orInvalid(() => SealedStart.parse(start.data).payload.jwe) : undefined;
}

/** What is no JSON is told so by whoever gets it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
