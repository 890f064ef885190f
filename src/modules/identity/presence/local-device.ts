import type { OnlineDevice } from './device-stays.ts';

/** A socket of a device, at this instance. */
export interface DeviceSocket {
  /** Closes it: another device is online in its place. */
  displaced: () => void;
}

/** A device with sockets at this instance. The other instances know of those that are placed. */
export class LocalDevice implements OnlineDevice {
  readonly userId: string;
  readonly deviceId: string;
  /** In milliseconds by Redis' clock; undefined until Redis has said so. */
  connectedAt: number | undefined;
  readonly #sockets = new Map<DeviceSocket, 'fresh' | 'placed'>();

  constructor({ userId, deviceId }: OnlineDevice) {
    this.userId = userId;
    this.deviceId = deviceId;
  }

  get isGone(): boolean {
    return this.#sockets.size === 0;
  }

  add(socket: DeviceSocket): void {
    this.#sockets.set(socket, 'fresh');
  }

  /** @returns whether it was one of this device's */
  remove(socket: DeviceSocket): boolean {
    return this.#sockets.delete(socket);
  }

  fresh(): DeviceSocket[] {
    return [...this.#sockets.keys()].filter((socket) => this.#sockets.get(socket) === 'fresh');
  }

  place(sockets: readonly DeviceSocket[]): void {
    for (const socket of sockets) if (this.#sockets.has(socket)) this.#sockets.set(socket, 'placed');
  }

  /** Closes the sockets that were placed. A fresh one has come after the displacement, and stays. */
  displace(): void {
    for (const [socket, state] of [...this.#sockets]) {
      if (state === 'fresh') continue;
      this.#sockets.delete(socket);
      socket.displaced();
    }
  }
}
