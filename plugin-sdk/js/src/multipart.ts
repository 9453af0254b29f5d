/** Bodies as a web page's form has them: `application/x-www-form-urlencoded` and `multipart/form-data` (RFC 7578). */

/** What tells the parts of a form apart is this and a number. */
const BOUNDARY = "liaison-part-5f0c9e27b81d";

const encoder = new TextEncoder();

/** Names and values; a list where a name comes more than once. */
export type Fields = Readonly<Record<string, string>> | Iterable<readonly [string, string]>;

/**
 * A form of fields and files, in their order.
 *
 * ```ts
 * const form = new Multipart().field("title", "Leave").file("document", "leave.pdf", "application/pdf", pdf);
 * http.post("/documents").multipart(form);
 * ```
 */
export class Multipart {
    readonly #parts: { head: Uint8Array; content: Uint8Array }[] = [];

    /** Adds a field. A name may come more than once. */
    field(name: string, value: string): this {
        return this.#with(`Content-Disposition: form-data; name="${quoted(name)}"\r\n\r\n`, value);
    }

    /** Adds a file. */
    file(name: string, fileName: string, contentType: string, content: Uint8Array | string): this {
        // Nothing that it holds may begin another header.
        const type = contentType.replace(/[\r\n]/g, " ");
        const disposition = `form-data; name="${quoted(name)}"; filename="${quoted(fileName)}"`;
        return this.#with(`Content-Disposition: ${disposition}\r\nContent-Type: ${type}\r\n\r\n`, content);
    }

    /** Content type and bytes: the same for the same form, on every attempt. */
    written(): { contentType: string; body: Uint8Array } {
        const boundary = this.#boundary();
        const pieces = this.#parts.flatMap(({ head, content }) => [
            encoder.encode(`--${boundary}\r\n`),
            head,
            content,
            encoder.encode("\r\n"),
        ]);
        pieces.push(encoder.encode(`--${boundary}--\r\n`));
        const body = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
        let end = 0;
        for (const piece of pieces) {
            body.set(piece, end);
            end += piece.length;
        }
        return { contentType: `multipart/form-data; boundary=${boundary}`, body };
    }

    #with(head: string, content: Uint8Array | string): this {
        const bytes = typeof content === "string" ? encoder.encode(content) : content;
        this.#parts.push({ head: encoder.encode(head), content: bytes });
        return this;
    }

    /** The first that stands in no part. A random one would be another on every attempt. */
    #boundary(): string {
        for (let number = 0; ; number += 1) {
            const boundary = `${BOUNDARY}-${number}.`;
            const wanted = encoder.encode(boundary);
            if (!this.#parts.some(({ content }) => holds(content, wanted))) {
                return boundary;
            }
        }
    }
}

/** As `application/x-www-form-urlencoded`. */
export function encodedForm(fields: Fields): string {
    const pairs = Symbol.iterator in fields ? [...(fields as Iterable<readonly [string, string]>)] : Object.entries(fields);
    return pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join("&");
}

function encoded(text: string): string {
    const escape = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
    return encodeURIComponent(text).replace(/[!'()~]/g, escape).replace(/%20/g, "+");
}

function holds(content: Uint8Array, wanted: Uint8Array): boolean {
    for (let start = content.indexOf(wanted[0] as number); start >= 0; start = content.indexOf(wanted[0] as number, start + 1)) {
        if (wanted.every((byte, index) => content[start + index] === byte)) {
            return true;
        }
    }
    return false;
}

/** A name between quotes: what would end it or its line is percent-encoded, as browsers do. */
function quoted(name: string): string {
    return name.replace(/"/g, "%22").replace(/\r/g, "%0D").replace(/\n/g, "%0A");
}
