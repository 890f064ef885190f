/** Something of an account has changed: itself, its subscriptions, its devices, its sessions. The id is the user's. */
export const USER_CHANGED = 'user-changed';
