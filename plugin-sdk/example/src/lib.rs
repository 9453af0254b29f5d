//! Keeps the sessions of a training calendar: looks up a session and its room, both at once, then creates or updates it.
//!
//! The same connector stands beside each SDK, and all pass one suite.

use liaison_sdk::prelude::*;
use serde::{Deserialize, Serialize};

liaison_sdk::connector!(deliver, check);

#[derive(Deserialize)]
struct Settings {
    calendar: String,
}

/// What an event brings.
#[derive(Deserialize)]
struct Session {
    title: String,
    room: String,
    seats: u32,
    updated: String,
}

/// What the calendar says of a room.
#[derive(Deserialize)]
struct Room {
    name: String,
    seats: u32,
}

/// What is written.
#[derive(Serialize)]
struct Entry<'event> {
    id: &'event str,
    title: &'event str,
    room: &'event str,
    seats: u32,
    updated: &'event str,
}

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Ending, Failure> {
    let calendar = format!("/calendars/{}/sessions", encode_segment(&settings::<Settings>()?.calendar));
    let id =
        delivery.event.subject.as_deref().ok_or_else(|| {
            Failure::Event("the event has no subject, which is to be the session".to_owned())
        })?;
    let url = format!("{calendar}/{}", encode_segment(id));
    if delivery.data().is_none() {
        return Ok(http.delete(url).settle_or(removed).into());
    }
    let session: Session = delivery.json()?;
    let room_url = format!("/rooms/{}", encode_segment(&session.room));
    let (held, found) = join(http.get(&url).send(), http.get(room_url).send()).await;
    let (held, found) = (held?, found?);
    if found.status() == 404 {
        return Ok(Outcome::rejected(format!("there is no room {}", session.room)).into());
    }
    if !found.is_success() {
        return Ok(Outcome::from_response(&found).into());
    }
    let room: Room = found.json()?;
    if session.seats > room.seats {
        let why = format!("{} has {} seats, not {}", room.name, room.seats, session.seats);
        return Ok(Outcome::rejected(why).into());
    }
    let request = match held.status() {
        404 => http.post(calendar),
        200..=299 => over(delivery, &held, http.put(url)),
        _ => return Ok(Outcome::from_response(&held).into()),
    };
    let Session { title, seats, updated, .. } = &session;
    let entry = Entry { id, title, room: &room.name, seats: *seats, updated };
    Ok(request.json(&entry).settle().into())
}

/// Writes over the version that was found, or over the one that the host decided on after a conflict.
fn over<'http>(delivery: &Delivery, held: &Response, request: Request<'http>) -> Request<'http> {
    let version = if delivery.resolution.is_some() { delivery.version() } else { held.header("etag") };
    match version {
        Some(version) => request.header("if-match", version),
        None => request,
    }
}

fn removed(reply: &Response) -> Outcome {
    match reply.status() {
        404 | 410 => Outcome::skipped("the session is gone already"),
        _ => Outcome::from_response(reply),
    }
}

async fn check(http: &Http) -> Result<Check, Failure> {
    Ok(Check::from_response(&http.get("/health").send().await?))
}

#[cfg(test)]
mod tests;
