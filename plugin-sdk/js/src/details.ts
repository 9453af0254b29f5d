/**
 * The details of a gRPC status (`google.rpc.Status`), as far as they say when to try again.
 *
 * Read by hand: nothing else of protobuf is needed. What is not as it should be says nothing.
 */

/** Of a message by which a server says how long to wait, packed into an `Any`. */
const RETRY_INFO = "/google.rpc.RetryInfo";
/** Metadata holds 8 KiB by default; no more is looked at than ten times that. */
const MAX_BYTES = 80 * 1024;
const LARGEST = 2n ** 63n - 1n;

const decoder = new TextDecoder();

/**
 * The wait that the first `RetryInfo` among the details asks for, in milliseconds and never sooner. `text` is base64, as
 * metadata have it.
 */
export function retryDelayMs(text: string): number | undefined {
    const status = fromBase64(text);
    if (status === undefined || status.length > MAX_BYTES) {
        return undefined;
    }
    // Status: details are field 3, each an Any, with its type as field 1 and its message as field 2.
    for (const detail of bytesOf(status, 3n)) {
        if (!bytesOf(detail, 1n).some((kind) => decoder.decode(kind).endsWith(RETRY_INFO))) {
            continue;
        }
        // RetryInfo: field 1 is a Duration, with seconds as field 1 and nanoseconds as field 2.
        const [info] = bytesOf(detail, 2n);
        const [delay] = info === undefined ? [] : bytesOf(info, 1n);
        const wait = delay === undefined ? undefined : durationMs(delay);
        if (wait !== undefined) {
            return wait;
        }
    }
    return undefined;
}

function durationMs(delay: Uint8Array): number | undefined {
    const numberOf = (wanted: bigint) => {
        const found = [...fields(delay)].find(([number, content]) => number === wanted && typeof content === "bigint");
        return (found?.[1] ?? 0n) as bigint;
    };
    const [seconds, nanoseconds] = [numberOf(1n), numberOf(2n)];
    // What is negative is larger than any wait.
    if (seconds > LARGEST || nanoseconds >= 1_000_000_000n) {
        return undefined;
    }
    return Math.min(Number(seconds * 1000n + (nanoseconds + 999_999n) / 1_000_000n), Number.MAX_SAFE_INTEGER);
}

function bytesOf(message: Uint8Array, wanted: bigint): Uint8Array[] {
    return [...fields(message)].flatMap(([number, content]) =>
        number === wanted && content instanceof Uint8Array ? [content] : [],
    );
}

/** The fields of a message, until one that cannot be read; what is of a fixed length is `undefined`. */
function* fields(message: Uint8Array): Generator<[bigint, bigint | Uint8Array | undefined]> {
    const reader = new Reader(message);
    for (let key = reader.varint(); key !== undefined; key = reader.varint()) {
        const content = reader.content(Number(key & 7n));
        if (content === undefined) {
            return;
        }
        yield [key >> 3n, content.value];
    }
}

class Reader {
    #rest: Uint8Array;

    constructor(message: Uint8Array) {
        this.#rest = message;
    }

    varint(): bigint | undefined {
        let value = 0n;
        for (let position = 0; position < Math.min(10, this.#rest.length); position += 1) {
            const byte = this.#rest[position] as number;
            value |= BigInt(byte & 0x7f) << BigInt(7 * position);
            if (byte < 0x80) {
                this.#rest = this.#rest.subarray(position + 1);
                return BigInt.asUintN(64, value);
            }
        }
        return undefined;
    }

    /** What a field of this wire type holds; `undefined` where that cannot be read. */
    content(wireType: number): { value: bigint | Uint8Array | undefined } | undefined {
        switch (wireType) {
            case 0: {
                const value = this.varint();
                return value === undefined ? undefined : { value };
            }
            case 1:
            case 5:
                return this.#take(wireType === 1 ? 8n : 4n) && { value: undefined };
            case 2: {
                const value = this.#take(this.varint());
                return value && { value };
            }
            default:
                return undefined;
        }
    }

    #take(length: bigint | undefined): Uint8Array | undefined {
        if (length === undefined || length > BigInt(this.#rest.length)) {
            return undefined;
        }
        const taken = this.#rest.subarray(0, Number(length));
        this.#rest = this.#rest.subarray(Number(length));
        return taken;
    }
}

/** Standard base64, with padding or without, as metadata have it. */
function fromBase64(text: string): Uint8Array | undefined {
    const characters = text.trim().replace(/=+$/, "");
    if (!/^[A-Za-z0-9+/]*$/.test(characters) || characters.length % 4 === 1) {
        return undefined;
    }
    return Uint8Array.from(atob(characters), (character) => character.charCodeAt(0));
}
