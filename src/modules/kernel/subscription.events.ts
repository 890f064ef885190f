/**
 * What servers are told about the users of a plan may have changed; its ids are those of plans. To be published after
 * the commit, beside USER_CHANGED for the users' own apps, by whatever changes a subscription's status, end, credential or owner.
 */
export const PLAN_USERS_CHANGED = 'plan-users-changed';
