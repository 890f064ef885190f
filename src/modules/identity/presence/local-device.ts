import type { OnlineDevice } from './device-stays.ts';

/** A websocket that a device has open to this instance. */
export interface DeviceSocket {
  /** Called when another device takes the place of this one. Must close the socket. */
  displaced: () => void;
}

/**
 * A device with sockets at this instance. A socket is `connecting` until Redis has recorded the
 * device, so that a displacement recorded earlier does not close it.
 */
export class LocalDevice implements OnlineDevice {
  readonly userId: string;
  readonly deviceId: string;
  /** Unix time in milliseconds by Redis' clock; undefined until Redis has recorded the device. */
  connectedAt: number | undefined;
  readonly #sockets = new Map<DeviceSocket, 'connecting' | 'connected'>();

  constructor({ userId, deviceId }: OnlineDevice) {
    this.userId = userId;
    this.deviceId = deviceId;
  }

  get hasSockets(): boolean {
    return this.#sockets.size > 0;
  }

  add(socket: DeviceSocket): void {
    this.#sockets.set(socket, 'connecting');
  }

  /** @returns false if the socket was removed before */
  remove(socket: DeviceSocket): boolean {
    return this.#sockets.delete(socket);
  }

  connectingSockets(): DeviceSocket[] {
    return [...this.#sockets.keys()].filter((socket) => this.#sockets.get(socket) === 'connecting');
  }

  /** Skips sockets that closed in the meantime. */
  markConnected(sockets: readonly DeviceSocket[]): void {
    for (const socket of sockets) if (this.#sockets.has(socket)) this.#sockets.set(socket, 'connected');
  }

  /**
   * Closes the connected sockets. Connecting ones were opened after the displacement, so they stay
   * open.
   */
  displace(): void {
    for (const [socket, state] of [...this.#sockets]) {
      if (state === 'connecting') continue;
      this.#sockets.delete(socket);
      socket.displaced();
    }
  }
}
