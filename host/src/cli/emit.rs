//! `liaison emit`: a file of events, one JSON value a line, written to a Kafka topic.
//!
//! All lines are read and checked before the first is sent, so that a mistake in the last leaves the topic as it was;
//! a file is then read again, whatever its size, and stdin is kept in memory within a bound. Records of one key keep
//! the order of the file.

use std::time::{Duration, Instant};

use clap::Args;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::json;

use liaison::event::OutgoingRecord;
use liaison::kafka::producer::{Outgoing, ProduceError, Producer};
use liaison::kafka::topics::Topics;

use super::Common;
use super::configuration::KafkaAccess;
use super::failure::Failure;
use super::input::{Input, Source};
use super::output::{self, count};

/// Written and not acknowledged yet, at most: less than the producer's own queue takes, so that no record waits for
/// room while later ones pass it.
const IN_FLIGHT: usize = 1_000;
const IN_FLIGHT_BYTES: usize = 64 << 20;

/// Bad lines that are named; the others are counted.
const NAMED: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "\
A CloudEvent (a line with a specversion) is keyed by its partitionkey, else its subject;
other JSON by --key. Nothing is sent if any line is wrong. Without a configuration file,
--topic, --file and --brokers are enough.")]
pub(super) struct Emit {
    /// The topic to write to
    #[arg(long)]
    topic: String,
    /// The events, one JSON value a line; - reads stdin (64 MiB at most)
    #[arg(long, value_name = "FILE")]
    file: Input,
    /// Where the key stands in JSON that is no CloudEvent, such as /policy/id
    #[arg(long, value_name = "POINTER", value_parser = pointer)]
    key: Option<String>,
    /// Brokers in place of the configuration's, host:port separated by commas
    #[arg(long, value_name = "BROKERS", value_delimiter = ',')]
    brokers: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn emit(common: &Common, options: &Emit) -> Result<(), Failure> {
    let access = KafkaAccess::read(common, &options.brokers)?;
    let source = options.file.source()?;
    check_lines(&source, options)?;
    let started = Instant::now();
    let events = super::block_on(send(&access, &source, options)).flatten()?;
    let took = started.elapsed();
    if options.json {
        return output::json_line(
            &json!({"topic": options.topic, "events": events, "seconds": took.as_secs_f64()}),
        );
    }
    let took = humantime::format_duration(Duration::from_millis(took.as_millis() as u64));
    output::text(&format!("{} to {} in {took}\n", count(events, "event"), options.topic))
}

fn pointer(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    Err(format!("a JSON pointer begins with a slash; did you mean /{text}?"))
}

/// Names the lines that are wrong.
fn check_lines(source: &Source, options: &Emit) -> Result<(), Failure> {
    let mut lines = open(source, options)?;
    let (mut wrong, mut more) = (Vec::new(), 0);
    loop {
        let checked = match lines.next() {
            Ok(None) => break,
            Ok(Some((number, line))) => OutgoingRecord::from_line(number, line, options.key.as_deref())
                .map(drop)
                .map_err(|error| error.to_string()),
            // Behind a line that cannot be read there is nothing to look for.
            Err(error) => return Err(Failure::Usage(format!("{}: {error}", options.file))),
        };
        match checked {
            Err(error) if wrong.len() < NAMED => wrong.push(format!("{}: {error}", options.file)),
            Err(_) => more += 1,
            Ok(()) => {}
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    if more > 0 {
        wrong.push(format!("{}: {} more", options.file, count(more, "wrong line")));
    }
    wrong.push("nothing was sent".to_owned());
    Err(Failure::Lines(wrong))
}

/// Sends all lines and waits until Kafka has acknowledged them; gives their number.
async fn send(access: &KafkaAccess, source: &Source, options: &Emit) -> Result<usize, Failure> {
    let topics = Topics::new(&access.settings, &access.bootstrap)?;
    topics.wait_for_brokers(access.settings.start_timeout).await?;
    if topics.partitions_of(&options.topic).await?.is_none() {
        tracing::warn!(topic = options.topic, "there is no such topic yet: the brokers must create it");
    }
    let producer = Producer::new(&access.settings, &access.bootstrap)?;
    let mut flight = Flight::default();
    let sent = send_lines(&producer, &mut flight, source, options).await;
    // What is under way is waited for even so: it may be in the topic.
    let acknowledged = flight.land(0, 0).await;
    match sent.and(acknowledged) {
        Ok(()) => Ok(flight.landed),
        Err(error) => {
            let landed = count(flight.landed, "event");
            Err(Failure::Failed(format!("{}: {error}; {landed} of the file are in the topic", options.file)))
        }
    }
}

async fn send_lines<'a>(
    producer: &'a Producer,
    flight: &mut Flight<'a>,
    source: &Source,
    options: &Emit,
) -> Result<(), String> {
    let mut lines = source.lines().map_err(|error| format!("it cannot be read again: {error}"))?;
    while let Some((number, line)) = lines.next()? {
        // It was checked before, but a file may have been changed since.
        let record = OutgoingRecord::from_line(number, line, options.key.as_deref());
        let record = outgoing(record.map_err(|error| error.to_string())?, &options.topic);
        let bytes = record.value.as_ref().map_or(0, bytes::Bytes::len);
        flight.land(IN_FLIGHT - 1, IN_FLIGHT_BYTES.saturating_sub(bytes)).await?;
        flight.start(producer, number, bytes, record).await?;
    }
    Ok(())
}

fn outgoing(record: OutgoingRecord, topic: &str) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        key: record.key,
        value: Some(record.value),
        headers: record.headers.into_iter().map(|(name, value)| (name.into(), Some(value))).collect(),
        ..Outgoing::default()
    }
}

/// What was given to the producer and not acknowledged yet.
#[derive(Default)]
struct Flight<'a> {
    sending: FuturesUnordered<std::pin::Pin<Box<dyn Future<Output = Sent> + Send + 'a>>>,
    bytes: usize,
    /// Acknowledged.
    landed: usize,
}

/// The line, its bytes, and how it ended.
type Sent = (usize, usize, Result<(i32, i64), ProduceError>);

impl<'a> Flight<'a> {
    /// Gives a record to the producer.
    async fn start(
        &mut self,
        producer: &'a Producer,
        number: usize,
        bytes: usize,
        record: Outgoing,
    ) -> Result<(), String> {
        self.bytes += bytes;
        let mut sending = Box::pin(async move { (number, bytes, producer.send(record).await) });
        // The first poll puts it into the producer's queue: before that of the next line, to keep their order.
        match futures_util::poll!(&mut sending) {
            std::task::Poll::Ready(sent) => self.settle(sent),
            std::task::Poll::Pending => {
                self.sending.push(sending);
                Ok(())
            }
        }
    }

    /// Waits until at most so many records and bytes are left in flight.
    async fn land(&mut self, records: usize, bytes: usize) -> Result<(), String> {
        let mut first = Ok(());
        while self.sending.len() > records || self.bytes > bytes {
            let Some(sent) = self.sending.next().await else { break };
            first = first.and(self.settle(sent));
        }
        first
    }

    fn settle(&mut self, (number, bytes, result): Sent) -> Result<(), String> {
        self.bytes -= bytes;
        match result {
            Ok(_) => {
                self.landed += 1;
                Ok(())
            }
            Err(error) => Err(format!("line {number}: {error}")),
        }
    }
}

fn open(source: &Source, options: &Emit) -> Result<super::input::Lines, Failure> {
    source.lines().map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", options.file)))
}
