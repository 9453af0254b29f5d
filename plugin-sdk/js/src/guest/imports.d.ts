declare module "wasi:logging/logging@0.1.0-draft" {
    export function log(level: "debug" | "info" | "warn" | "error", context: string, message: string): void;
}

declare module "wasi:config/store@0.2.0-rc.1" {
    export function get(key: string): string | undefined;
}
