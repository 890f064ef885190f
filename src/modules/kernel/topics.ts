/** Codes were added to a batch, or it was enabled, disabled or deleted. Ids are batch ids. */
export const BATCH_CHANGED = 'redemption-batch-changed';
/** Another device displaced this one. Ids are `<user id>:<device id>`. */
export const DEVICE_DISPLACED = 'device-displaced';
/** The status of an order changed. Ids are order ids. */
export const ORDER_CHANGED = 'order-changed';
/** Public data of a plan changed, including its nodes. Ids are plan ids. */
export const PLAN_CHANGED = 'plan-changed';
/** The users that agents must let in for a plan may have changed. Ids are plan ids. */
export const PLAN_USERS_CHANGED = 'plan-users-changed';
/** The devices that a server has to disconnect changed. Ids are server ids. */
export const SERVER_DEVICES_CHANGED = 'server-devices-changed';
/** A server token was revoked. Ids are the SHA-256 hashes of tokens, in hex. */
export const SERVER_TOKEN_REVOKED = 'server-token-ended';
/** A session was revoked or expired. Ids are session ids. */
export const SESSION_ENDED = 'session-ended';
/** The settings of the site, or something else that the public sees, changed. The id is `site`. */
export const SITE_CHANGED = 'site-changed';
/** A user, or one of their subscriptions, devices or sessions, changed. Ids are user ids. */
export const USER_CHANGED = 'user-changed';
