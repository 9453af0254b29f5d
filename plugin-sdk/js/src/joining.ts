/**
 * Awaiting several things together, so that their requests are sent together.
 *
 * `Promise.all` does so too, but gives up at the first failure; these wait until all have ended, as the other languages do.
 */

/** Awaits all of them and gives their results. Where some fail, the first failure is thrown when all have ended. */
export function join<T extends readonly unknown[]>(...promises: T): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
    return joinAll(promises) as Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }>;
}

/**
 * Awaits all of them and gives their results in the same order. Where some fail, the first failure is thrown when all have
 * ended.
 */
export async function joinAll<T>(promises: Iterable<T>): Promise<Awaited<T>[]> {
    const ends = await Promise.allSettled(promises);
    return ends.map((end) => {
        if (end.status === "rejected") {
            throw end.reason;
        }
        return end.value;
    });
}
