//! Keeps each event as an appointment in a CalDAV calendar (RFC 4791): makes it, moves it, cancels it.
//!
//! In come a delivery and the connector's settings. The appointment is fetched, `decide` says what becomes of it, and
//! one conditional write follows, so that nobody's change is lost in between. `component` reads and writes iCalendar
//! (RFC 5545), `wanted` reads the event, `marks` is what one delivery leaves for the next.

#[cfg(test)]
mod bench;
mod component;
mod current;
mod decide;
mod duration;
mod field;
mod marks;
mod moment;
mod people;
mod recurrence;
mod replies;
mod resource;
mod settings;
mod standing;
mod task;
mod uid;
mod version;
mod wanted;
mod zones;

use jiff::Timestamp;
use liaison_sdk::prelude::*;
use liaison_sdk::time;
use sha2::{Digest as _, Sha256};

use crate::component::Component;
use crate::decide::{Held, Step};
use crate::settings::Settings;
use crate::task::Task;

liaison_sdk::connector!(deliver, check);

/// What a check asks for.
const PROPERTIES: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><propfind xmlns=\"DAV:\"><prop><resourcetype/>\
    <current-user-privilege-set/></prop></propfind>";

/// How often an attempt looks what is there: once more where somebody wrote between its look and its write.
const LOOKS: usize = 2;
const NOTHING_THERE: (&str, &str) = ("if-none-match", "*");

async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
    let settings = settings::<Settings>()?;
    let uid = uid::of(&settings, delivery)?;
    let path = format!("{}{}", settings.calendar, uid::resource_name(&uid));
    let task = Task::new(&settings, delivery, uid)?;
    let exchange = Exchange { settings: &settings, http, path };
    let mut overtaken = String::new();
    for _ in 0..LOOKS {
        let held = match exchange.fetch().await? {
            Fetched::Held(held) => Some(held),
            Fetched::Nothing => None,
            Fetched::Refused(outcome) => return Ok(outcome),
        };
        let is_there = held.is_some();
        let condition = held.as_ref().and_then(Held::condition).map(|etag| ("if-match", etag));
        let reply = match task.decide(held.as_ref())? {
            Step::Settle(outcome) => return Ok(outcome),
            Step::Create(calendar) => match exchange.create(&calendar).await? {
                Ok(reply) => reply,
                Err(outcome) => return Ok(outcome),
            },
            Step::Update(calendar) => exchange.put(&calendar, condition).await?,
            Step::Delete => {
                let reply = exchange.delete(condition).await?;
                if matches!(reply.status(), 404 | 410) {
                    return Ok(Outcome::delivered());
                }
                reply
            }
        };
        if !replies::is_overtaken(&reply, is_there) {
            return Ok(exchange.written(&reply));
        }
        overtaken = format!("{}: somebody else wrote in between", reply.summary());
    }
    Ok(Outcome::retry(overtaken))
}

/// The way to one resource of the calendar.
struct Exchange<'delivery> {
    settings: &'delivery Settings,
    http: &'delivery Http,
    path: String,
}

enum Fetched {
    Held(Held),
    Nothing,
    Refused(Outcome),
}

impl Exchange<'_> {
    async fn fetch(&self) -> Result<Fetched, Failure> {
        let reply = self.http.get(&self.path).header("accept", "text/calendar").send().await?;
        if matches!(reply.status(), 404 | 410) {
            return Ok(Fetched::Nothing);
        }
        if !reply.is_success() {
            return Ok(Fetched::Refused(replies::of_question(&reply)));
        }
        let calendar = Component::parse(reply.body())
            .map_err(|why| Failure::Reply(format!("{}, which is no calendar: {why}", reply.summary())))?;
        let digest = || format!("sha256-{}", marks::hex(&Sha256::digest(reply.body())));
        let version = reply.header("etag").map(str::to_owned).unwrap_or_else(digest);
        let modified = reply.header("last-modified").and_then(http_date);
        Ok(Fetched::Held(Held { version, calendar, modified }))
    }

    /// Writes if this condition holds.
    async fn put(&self, calendar: &Component, condition: Option<(&str, &str)>) -> Result<Response, Failure> {
        let request = self.http.put(&self.path).header("content-type", "text/calendar; charset=utf-8");
        with_condition(request, condition).body(calendar.to_string()).send().await
    }

    /// Removes if this condition holds.
    async fn delete(&self, condition: Option<(&str, &str)>) -> Result<Response, Failure> {
        with_condition(self.http.delete(&self.path), condition).send().await
    }

    /// Writes where nothing is, and makes the calendar before where that is set and must be. Or how that ended.
    async fn create(&self, calendar: &Component) -> Result<Result<Response, Outcome>, Failure> {
        let reply = self.put(calendar, Some(NOTHING_THERE)).await?;
        if !replies::may_lack_calendar(&reply) {
            return Ok(Ok(reply));
        }
        match self.why_refused(&reply).await? {
            Some(outcome) => Ok(Err(outcome)),
            None => self.put(calendar, Some(NOTHING_THERE)).await.map(Ok),
        }
    }

    /// A write was refused as one is where the calendar is missing: is it? Nothing where it was, and is there now.
    async fn why_refused(&self, reply: &Response) -> Result<Option<Outcome>, Failure> {
        let found = look_for_calendar(self.settings, self.http).await?;
        Ok(match found.status() {
            404 | 410 if self.settings.create_calendar => return self.make_calendar().await,
            404 | 410 => Some(replies::without_calendar(reply, &self.settings.calendar)),
            200..=299 => Some(replies::of_write(reply)),
            _ => Some(replies::of_question(&found)),
        })
    }

    /// Nothing where the calendar is there now.
    async fn make_calendar(&self) -> Result<Option<Outcome>, Failure> {
        let reply = self.http.request("MKCALENDAR", &self.settings.calendar).send().await?;
        let is_there = replies::elements(&reply.text()).contains(&"resource-must-be-null");
        match reply.status() {
            200..=299 | 405 => Ok(None),
            // Another delivery was first.
            _ if is_there => Ok(None),
            403 | 404 | 409 => Ok(Some(Outcome::denied(format!(
                "{}: the calendar cannot be made there; make it, or the folder that it is to stand in",
                reply.summary()
            )))),
            _ => Ok(Some(replies::of_question(&reply))),
        }
    }

    /// What a write came to that nobody else overtook.
    fn written(&self, reply: &Response) -> Outcome {
        if !reply.is_success() {
            return replies::of_write(reply);
        }
        let external_id = reply.header("location").unwrap_or(&self.path).to_owned();
        let version = reply.header("etag").map(str::to_owned);
        Outcome::Delivered(Receipt { external_id: Some(external_id), version })
    }
}

fn with_condition<'http>(request: Request<'http>, condition: Option<(&str, &str)>) -> Request<'http> {
    match condition {
        Some((name, value)) => request.header(name, value),
        None => request,
    }
}

/// In each of the forms that RFC 9110, 5.6.7, has for it.
fn http_date(text: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(time::http_date(text)?).ok()?).ok()
}

async fn look_for_calendar(settings: &Settings, http: &Http) -> Result<Response, Failure> {
    let request = http.request("PROPFIND", &settings.calendar).header("depth", "0");
    request.header("content-type", "application/xml; charset=utf-8").body(PROPERTIES).send().await
}

async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    let reply = look_for_calendar(&settings, http).await?;
    let summary = reply.summary();
    let text = reply.text();
    let names = replies::elements(&text);
    let may_write = |name: &&str| matches!(*name, "all" | "write" | "write-content" | "bind");
    Ok(match reply.status() {
        207 if !names.contains(&"calendar") => Check::unusable(format!(
            "{summary}, and it is no calendar: name its path, behind the endpoint, by the setting `calendar`"
        )),
        207 if names.contains(&"privilege") && !names.iter().any(may_write) => {
            Check::unusable(format!("{summary}: it is a calendar, and this user may not write to it"))
        }
        207 => Check::usable(format!("{summary}: it is a calendar")),
        404 if settings.create_calendar => Check::usable(format!(
            "{summary}: the calendar is not there yet, and is made with the first appointment"
        )),
        404 => Check::unusable(format!(
            "{summary}: the calendar is not there; make it, or set `create-calendar = true`"
        )),
        405 | 501 => Check::unusable(format!("{summary}: what is there speaks no CalDAV")),
        _ => Check::from_response(&reply),
    })
}

#[cfg(test)]
mod tests;
