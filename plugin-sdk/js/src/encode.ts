/** Percent-encoding of what goes into a URL. */

/**
 * Text as one segment of a URL's path, or one value of its query.
 *
 * Everything but RFC 3986's unreserved characters is percent-encoded, so it can neither end the segment nor begin a
 * query. A segment that is `.` or `..` keeps its meaning however it is encoded: where text may come from anyone, refuse
 * those two.
 */
export function encodeSegment(text: string): string {
    const escape = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
    return encodeURIComponent(text).replace(/[!'()*]/g, escape);
}
