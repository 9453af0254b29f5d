/** Passes on what is public, and nothing else. */

import { settings, transformer, Transformed, type Event } from "liaison-sdk";
import { object, string } from "valibot";

/** What `settings` of the transformer holds in `liaison.toml`: the type that events have afterwards. */
const Settings = object({ kind: string() });

export function transform(event: Event): Transformed {
    return event.attribute("audience") === "public"
        ? Transformed.emit(event.reshaped().kind(settings(Settings).kind))
        : Transformed.drop("not for the public");
}

transformer(transform);
