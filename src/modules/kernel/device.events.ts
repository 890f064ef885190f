/** A device was displaced, or may have been: another is online in its place. The id is `account:device`. */
export const DEVICE_DISPLACED = 'device-displaced';
