#!/usr/bin/env node
/**
 * `liaison-sdk build src/calendar.ts`: makes a component of a plugin's module.
 *
 * esbuild puts the plugin, the SDK and their libraries into one module, in which `async` is lowered to generators (see
 * `guest/promise` for why). That is run here once: it tells a mistake in the plugin's own words, and whether it is a
 * transformer or a connector, and which. componentize-js then puts it into a JavaScript engine that is a component.
 */

import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, parse, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { componentize } from "@bytecodealliance/componentize-js";
import { build as bundle, type BuildOptions } from "esbuild";

import type { Plugin } from "./plugin.js";

const USAGE = "usage: liaison-sdk build MODULE [--output FILE]   (default: dist/MODULE.wasm)";
const OWN_FOLDER = dirname(fileURLToPath(import.meta.url));

/** Something that the author can mend, in one line. */
class Mistake extends Error {}

/** Makes the component of a plugin's module. Takes about 10 seconds. */
export async function build(module: string, output: string): Promise<void> {
    if (!existsSync(module)) {
        throw new Mistake(`${module} is not there`);
    }
    const folder = await mkdtemp(join(tmpdir(), "liaison-sdk-"));
    try {
        const { world, exported } = exportsOf(await registeredBy(module, folder));
        const guest = (kind: string) => JSON.stringify(join(OWN_FOLDER, "guest", kind));
        const exporting = exported.map((kind) => `export { ${kind} } from ${guest(kind)};`).join(" ");
        const file = join(folder, "guest.js");
        await bundleTo(file, `${exporting} import ${JSON.stringify(resolve(module))};`, {
            platform: "neutral",
            mainFields: ["module", "main"],
            conditions: ["module", "import"],
            external: ["wasi:*"],
            supported: { "async-await": false, "async-generator": false, "for-await": false },
        });
        const made = await componentize({
            sourcePath: file,
            witPath: contract(),
            worldName: `liaison:plugin/${world}`,
            disableFeatures: ["http", "fetch-event"],
        });
        await mkdir(dirname(resolve(output)), { recursive: true });
        await writeFile(output, made.component);
    } finally {
        await rm(folder, { recursive: true });
    }
}

/** The world of the contract that the plugin is of, and what of `guest` it exports. */
function exportsOf(plugin: Plugin): { world: string; exported: string[] } {
    return plugin.kind === "connector" && plugin.joining !== undefined
        ? { world: "joining-connector-plugin", exported: ["connector", "joiner"] }
        : { world: `${plugin.kind}-plugin`, exported: [plugin.kind] };
}

/** Runs the plugin's module in Node, and looks what it has registered. */
async function registeredBy(module: string, folder: string): Promise<Plugin> {
    const file = join(folder, "native.mjs");
    const own = JSON.stringify(join(OWN_FOLDER, "plugin.js"));
    await bundleTo(file, `export { plugin } from ${own}; import ${JSON.stringify(resolve(module))};`, {
        platform: "node",
    });
    const native = (await import(pathToFileURL(file).href)) as { plugin(): Plugin | undefined };
    const plugin = native.plugin();
    if (plugin === undefined) {
        throw new Mistake(`${module} calls neither \`connector\` nor \`transformer\`: it is no plugin`);
    }
    return plugin;
}

async function bundleTo(file: string, entry: string, options: BuildOptions): Promise<void> {
    await bundle({
        ...options,
        stdin: { contents: entry, resolveDir: process.cwd(), sourcefile: "entry.js" },
        outfile: file,
        bundle: true,
        format: "esm",
        target: "es2022",
        logLevel: "silent",
    });
}

/** The contract: it comes with the package, and lies beside it in the repository. */
function contract(): string {
    const places = [join(OWN_FOLDER, "../wit"), join(OWN_FOLDER, "../../../wit")];
    const found = places.find((place) => existsSync(place));
    if (found === undefined) {
        throw new Mistake(`the contract is in neither ${places.join(" nor ")}: install the package anew`);
    }
    return found;
}

/** What a person can do something with, of what went wrong. */
function inWords(error: unknown): string {
    const errors = (error as { errors?: { text: string; location: { file: string; line: number } | null }[] }).errors;
    if (Array.isArray(errors)) {
        return errors
            .map(({ text, location }) => (location ? `${location.file}:${location.line}: ${text}` : text))
            .join("\n");
    }
    if (error instanceof Mistake) {
        return error.message;
    }
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function main(): Promise<number> {
    const { values, positionals } = parseArgs({
        allowPositionals: true,
        options: { output: { type: "string", short: "o" } },
    });
    const [command, module, ...more] = positionals;
    if (command !== "build" || module === undefined || more.length > 0) {
        throw new Mistake(USAGE);
    }
    const output = values.output ?? join("dist", `${parse(module).name}.wasm`);
    await build(module, output);
    console.log(`${output}: ${((await stat(output)).size / 1e6).toFixed(1)} MB`);
    return 0;
}

try {
    process.exitCode = await main();
} catch (error) {
    console.error(`liaison-sdk: ${inWords(error)}`);
    process.exitCode = 1;
}
