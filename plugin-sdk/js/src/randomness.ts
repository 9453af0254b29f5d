/**
 * Random numbers that are the same whenever a function is run again.
 *
 * A step of an attempt may run in an instance that has done other things before: only numbers that grow from the delivery's
 * own seed are the same then.
 */

/** From now on `Math.random` and `crypto` draw numbers that grow from the seed. Gives what undoes it. */
export function seed(seed: bigint): () => void {
    const next = generator(seed);
    const { random } = Math;
    const { getRandomValues, randomUUID } = crypto;
    Math.random = () => next() / 2 ** 32;
    crypto.getRandomValues = (array) => {
        const bytes = new Uint8Array(array!.buffer, array!.byteOffset, array!.byteLength);
        bytes.forEach((_, index) => (bytes[index] = next()));
        return array;
    };
    crypto.randomUUID = () => uuid(crypto.getRandomValues(new Uint8Array(16)));
    return () => {
        Math.random = random;
        Object.assign(crypto, { getRandomValues, randomUUID });
    };
}

/** Whole numbers below 2^32 by SplitMix32, from both halves of the seed. */
function generator(seed: bigint): () => number {
    let state = Number(seed & 0xffff_ffffn) ^ Math.imul(Number((seed >> 32n) & 0xffff_ffffn), 0x9e37_79b1);
    return () => {
        state = (state + 0x9e37_79b9) | 0;
        let mixed = state ^ (state >>> 16);
        mixed = Math.imul(mixed, 0x21f0_aaad);
        mixed ^= mixed >>> 15;
        mixed = Math.imul(mixed, 0x735a_2d97);
        return (mixed ^ (mixed >>> 15)) >>> 0;
    };
}

/** Version 4 of RFC 9562. */
function uuid(bytes: Uint8Array): ReturnType<typeof crypto.randomUUID> {
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const text = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}
