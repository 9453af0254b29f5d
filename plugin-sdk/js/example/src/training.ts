/**
 * Keeps the sessions of a training calendar: looks up a session and its room, both at once, then creates or updates it.
 *
 * The same connector stands beside each SDK, and all pass one suite.
 */

import {
    Check,
    connector,
    encodeSegment,
    EventFailure,
    join,
    Outcome,
    settings,
    type Delivery,
    type Ending,
    type Http,
    type Request,
    type Response,
} from "liaison-sdk";
import { integer, number, object, pipe, string } from "valibot";

const Settings = object({ calendar: string() });
const Seats = pipe(number(), integer());
const Session = object({ title: string(), room: string(), seats: Seats, updated: string() });
const Room = object({ name: string(), seats: Seats });

export async function deliver(delivery: Delivery, http: Http): Promise<Ending> {
    const calendar = `/calendars/${encodeSegment(settings(Settings).calendar)}/sessions`;
    const id = delivery.event.subject;
    if (id === undefined) {
        throw new EventFailure("the event has no subject, which is to be the session");
    }
    const url = `${calendar}/${encodeSegment(id)}`;
    if (delivery.data === undefined) {
        return http.delete(url).settleOr(removed);
    }
    const session = delivery.json(Session);
    const [held, found] = await join(http.get(url).send(), http.get(`/rooms/${encodeSegment(session.room)}`).send());
    if (found.status === 404) {
        return Outcome.rejected(`there is no room ${session.room}`);
    }
    if (!found.isSuccess) {
        return Outcome.fromResponse(found);
    }
    const room = found.json(Room);
    if (session.seats > room.seats) {
        return Outcome.rejected(`${room.name} has ${room.seats} seats, not ${session.seats}`);
    }
    let request: Request;
    if (held.status === 404) {
        request = http.post(calendar);
    } else if (held.isSuccess) {
        request = over(delivery, held, http.put(url));
    } else {
        return Outcome.fromResponse(held);
    }
    const { title, seats, updated } = session;
    return request.json({ id, title, room: room.name, seats, updated }).settle();
}

/** Writes over the version that was found, or over the one that the host decided on after a conflict. */
function over(delivery: Delivery, held: Response, request: Request): Request {
    const version = delivery.resolution ? delivery.version : held.header("etag");
    return version === undefined ? request : request.header("if-match", version);
}

function removed(reply: Response): Outcome {
    const isGone = reply.status === 404 || reply.status === 410;
    return isGone ? Outcome.skipped("the session is gone already") : Outcome.fromResponse(reply);
}

export async function check(http: Http): Promise<Check> {
    return Check.fromResponse(await http.get("/health").send());
}

connector(deliver, check);
