/** Transport of one websocket connection, in the shape that graphql-ws expects. */
export interface Channel {
  send: (message: string) => Promise<void> | void;
  close: (code?: number, reason?: string) => Promise<void> | void;
  /** A rejection of `handle` closes the channel, with the code of a SocketRefusal if it is one. */
  onMessage: (handle: (message: string) => Promise<void>) => void;
}

/** A channel that is encrypted if the client's first message is. */
export interface SealableChannel extends Channel {
  /** False until the first message has arrived. */
  isSealed: () => boolean;
}
