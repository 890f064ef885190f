/** A session has ended, or may have; the id is the session's. */
export const SESSION_ENDED = 'session-ended';
