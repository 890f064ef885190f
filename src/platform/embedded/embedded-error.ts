/** The embedded servers can't start here. The message is for users: it says why, and what to do. */
export class EmbeddedError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedError';
  }
}

/** Another process holds the lock of DATA_DIR. */
export class DataDirInUseError extends EmbeddedError {}
