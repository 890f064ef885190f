/**
 * Settles as the work does, or with what `onTimeout` returns or throws once `limitMs` have passed. The work itself goes
 * on; an error it throws later is ignored.
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
