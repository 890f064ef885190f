/** What apps show of plans has changed, their nodes included. The ids are those of plans. */
export const PLAN_CHANGED = 'plan-changed';
