/** The token of a server is good no longer; the id is its SHA-256, in hex. */
export const SERVER_TOKEN_ENDED = 'server-token-ended';
