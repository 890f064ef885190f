/** Bounds of a local cache. */
export interface LocalCacheLimits {
  /** Age after which a value is no longer used, in milliseconds. */
  maxAgeMs: number;
  entries: number;
  /** Sum of the sizes given to `put`. */
  bytes: number;
}

/** Current size of a cache, and how often it had the requested value. */
export interface LocalCacheUsage {
  entries: number;
  bytes: number;
  hits: number;
  misses: number;
}

/** Stands for one read whose result may be cached. */
export interface Reading {
  readonly owner: string;
  /** Whether the owner was evicted after the read began: its result may be from before. */
  isStale: boolean;
}

interface Entry<Value> {
  value: Value;
  bytes: number;
  at: number;
}

/**
 * Values in the memory of this process, grouped by owner: what changed is an account, a session, or
 * everything, so that is what can be evicted. Every value expires soon, because a message that
 * something changed may be lost.
 *
 * A slow read never puts an old value back: `begin` notes that a read runs, and `put` ignores its
 * result if the owner was evicted meanwhile.
 */
export class LocalCache<Value> {
  readonly #limits: LocalCacheLimits;
  /** A Map keeps insertion order: its first owner was used least recently. */
  readonly #owners = new Map<string, Map<string, Entry<Value>>>();
  readonly #readings = new Map<string, Set<Reading>>();
  readonly #usage: LocalCacheUsage = { entries: 0, bytes: 0, hits: 0, misses: 0 };

  constructor(limits: LocalCacheLimits) {
    this.#limits = limits;
  }

  get(owner: string, key = ''): Value | undefined {
    const entries = this.#owners.get(owner);
    const entry = entries?.get(key);
    if (!entries || !entry || performance.now() - entry.at >= this.#limits.maxAgeMs) {
      this.#usage.misses += 1;
      return undefined;
    }
    this.#usage.hits += 1;
    return entry.value;
  }

  /** Call it before the read. The reading must end in `put` or `cancel`. */
  begin(owner: string): Reading {
    const reading = { owner, isStale: false };
    const readings = this.#readings.get(owner);
    if (readings) readings.add(reading);
    else this.#readings.set(owner, new Set([reading]));
    return reading;
  }

  cancel(reading: Reading): void {
    const readings = this.#readings.get(reading.owner);
    readings?.delete(reading);
    if (readings?.size === 0) this.#readings.delete(reading.owner);
  }

  /** @param bytes size of the value, counted towards the limit */
  put(reading: Reading, value: Value, { key = '', bytes = 0 }: { key?: string; bytes?: number } = {}): void {
    this.cancel(reading);
    if (reading.isStale || bytes > this.#limits.bytes) return;
    const { owner } = reading;
    const entries = this.#owners.get(owner) ?? new Map<string, Entry<Value>>();
    // Moves the owner to the end.
    this.#owners.delete(owner);
    this.#owners.set(owner, entries);
    this.#remove(entries, key);
    entries.set(key, { value, bytes, at: performance.now() });
    this.#usage.entries += 1;
    this.#usage.bytes += bytes;
    while (this.#usage.entries > this.#limits.entries || this.#usage.bytes > this.#limits.bytes)
      this.#dropOldest();
  }

  /** Reads through the cache. Failures are not cached. */
  async read(owner: string, read: () => Promise<Value>): Promise<Value> {
    const cached = this.get(owner);
    if (cached !== undefined) return cached;
    const reading = this.begin(owner);
    try {
      const value = await read();
      this.put(reading, value);
      return value;
    } catch (error) {
      this.cancel(reading);
      throw error;
    }
  }

  evict(owner: string): void {
    for (const reading of this.#readings.get(owner) ?? []) reading.isStale = true;
    this.#drop(owner);
  }

  evictAll(): void {
    for (const readings of this.#readings.values()) for (const reading of readings) reading.isStale = true;
    for (const owner of [...this.#owners.keys()]) this.#drop(owner);
  }

  usage(): LocalCacheUsage {
    return { ...this.#usage };
  }

  #drop(owner: string): void {
    const entries = this.#owners.get(owner);
    if (!entries) return;
    for (const key of [...entries.keys()]) this.#remove(entries, key);
    this.#owners.delete(owner);
  }

  #dropOldest(): void {
    const [oldest] = this.#owners.keys();
    if (oldest !== undefined) this.#drop(oldest);
  }

  #remove(entries: Map<string, Entry<Value>>, key: string): void {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    this.#usage.entries -= 1;
    this.#usage.bytes -= entry.bytes;
  }
}
