/** A text that stands for itself in LIKE: Prisma passes on what that reads as wildcards. */
export const literally = (text: string) => text.replace(/[\\%_]/g, '\\$&');
