/**
 * Settles like the work, or after `limitMs` with the result or error of `onTimeout`. A timeout
 * doesn't interrupt the work; its later errors are ignored.
 */
export async function withTimeLimit<Result>(
  work: Promise<Result>,
  limitMs: number,
  onTimeout: () => Result,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<Result>((resolve, reject) => {
    timer = setTimeout(() => {
      try {
        resolve(onTimeout());
      } catch (error) {
        reject(error);
      }
    }, limitMs);
  });
  work.catch(() => {});
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
