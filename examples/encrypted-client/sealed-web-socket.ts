import { openUnder, sealSocketStart, sealUnder } from './seal.ts';
import type { TransportKey } from './transport-key.ts';

/** The part of a WebSocket that graphql-ws uses. Browsers and the package `ws` implement it. */
interface Socket {
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(message: string): void;
  close(code?: number, reason?: string): void;
}

type SocketClass = new (url: string, protocol: string) => Socket;
type Listener = ((event: { data: unknown }) => void) | null;

const BAD_RESPONSE = 4004;

class SealedWebSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;

  readonly #socket: Socket;
  readonly #fetchKey: () => Promise<TransportKey>;
  #replyKey: Uint8Array | undefined;
  #sent = 0;
  #received = 0;
  #sending: Promise<unknown> = Promise.resolve();
  #receiving: Promise<unknown> = Promise.resolve();

  constructor(socket: Socket, fetchKey: () => Promise<TransportKey>) {
    this.#socket = socket;
    this.#fetchKey = fetchKey;
  }

  get readyState() {
    return this.#socket.readyState;
  }
  set onopen(listener: Listener) {
    this.#socket.onopen = listener;
  }
  set onclose(listener: Listener) {
    this.#socket.onclose = listener;
  }
  set onerror(listener: Listener) {
    this.#socket.onerror = listener;
  }
  set onmessage(listener: Listener) {
    this.#socket.onmessage = ({ data }: { data: unknown }) => {
      this.#receiving = this.#inOrder(this.#receiving, async () =>
        listener?.({ data: await this.#open(String(data)) }),
      );
    };
  }

  send(message: string) {
    this.#sending = this.#inOrder(this.#sending, async () => this.#socket.send(await this.#seal(message)));
  }

  close(code?: number, reason?: string) {
    void this.#sending.then(() => this.#socket.close(code, reason));
  }

  /**
   * Encrypts `connection_init` to the transport key, and all further messages with the reply key
   * that it contains.
   */
  async #seal(message: string): Promise<string> {
    if (this.#replyKey) {
      return sealUnder(this.#replyKey, { direction: 'client', counter: this.#sent++ }, message);
    }
    const { payload } = JSON.parse(message) as { payload?: { authorization?: string } };
    const accessToken = payload?.authorization?.replace(/^Bearer /, '');
    const { jwe, replyKey } = await sealSocketStart(await this.#fetchKey(), accessToken);
    this.#replyKey = replyKey;
    return JSON.stringify({ type: 'connection_init', payload: { jwe } });
  }

  async #open(jwe: string): Promise<string> {
    if (!this.#replyKey) throw new Error('received a message before connection_init was sent');
    return openUnder(this.#replyKey, { direction: 'server', counter: this.#received++ }, jwe);
  }

  /**
   * Runs work sequentially. Closes the socket on an error, after which no message can be trusted.
   */
  #inOrder(before: Promise<unknown>, work: () => Promise<void>): Promise<unknown> {
    return before.then(work).catch(() => this.#socket.close(BAD_RESPONSE, 'BAD_RESPONSE'));
  }
}

/**
 * Creates a WebSocket class that encrypts all messages, for use with an unmodified graphql-ws
 * client:
 *
 *     const webSocketImpl = sealedWebSocket(WebSocket, fetchKey);
 *     createClient({ url, webSocketImpl, connectionParams: { authorization } })
 *
 * @param fetchKey called once per connection
 */
export function sealedWebSocket(Base: SocketClass, fetchKey: () => Promise<TransportKey>) {
  return class extends SealedWebSocket {
    constructor(url: string, protocol: string) {
      super(new Base(url, protocol), fetchKey);
    }
  };
}
