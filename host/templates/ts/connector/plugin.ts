/** Writes each event to its path at the external system. */

import { Check, connector, encodeSegment, settings, type Delivery, type Http, type Settling } from "liaison-sdk";
import { object, string } from "valibot";

/** What `settings` of the connector holds in `liaison.toml`: a path such as `/events`. */
const Settings = object({ path: string() });

export async function deliver(delivery: Delivery, http: Http): Promise<Settling> {
    const url = `${settings(Settings).path}/${encodeSegment(delivery.event.id)}`;
    // A tombstone: the thing is gone.
    const request = delivery.event.isTombstone ? http.delete(url) : http.put(url).eventData();
    return request.settle();
}

export async function check(http: Http): Promise<Check> {
    return Check.fromResponse(await http.get("/").send());
}

connector(deliver, check);
