/** What messages travel through, as graphql-ws wants it. */
export interface Channel {
  send: (message: string) => Promise<void> | void;
  close: (code?: number, reason?: string) => Promise<void> | void;
  /** `handle` rejects with SocketRefusal when the channel is to be closed. */
  onMessage: (handle: (message: string) => Promise<void>) => void;
}

/** A channel that is encrypted when its client has begun so. */
export interface SealableChannel extends Channel {
  /** Settled by the first message. */
  isSealed: () => boolean;
}
