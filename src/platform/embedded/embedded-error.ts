/** The private servers cannot be brought up here; the message says why and what to do, and is meant for people. */
export class EmbeddedError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EmbeddedError';
  }
}

/** Another process lives on DATA_DIR. */
export class DataDirInUseError extends EmbeddedError {}
