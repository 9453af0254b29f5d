/**
 * What a plugin tells the people who run the host.
 *
 * The host adds the plugin's and the connector's name, cuts long messages and stops listening after a number of lines a
 * call. Outside of WebAssembly the lines are kept for the test that runs: see `logged` of `liaison-sdk/testing`.
 */

export type Level = "debug" | "info" | "warn" | "error";

/** @internal */
export const lines: string[] = [];

let write: (level: Level, message: string) => void = (_, message) => void lines.push(message);

/** For the one who looks for a mistake. */
export function debug(message: string): void {
    write("debug", message);
}

/** Worth knowing. */
export function info(message: string): void {
    write("info", message);
}

/** Something is odd, and was dealt with. */
export function warn(message: string): void {
    write("warn", message);
}

/** A person should look. */
export function error(message: string): void {
    write("error", message);
}

/** @internal Has every line go there: to the host, where there is one. */
export function writeTo(there: (level: Level, message: string) => void): void {
    write = there;
}
