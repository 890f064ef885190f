/** The token follows. */
export const LINK_PATH = '/s/';

/** @param origin of the request; the link is a path if it is not known */
export const linkOf = (token: string, origin: string | undefined): string =>
  `${origin ?? ''}${LINK_PATH}${token}`;
