//! What liaison promises, each promise a test on real parts. Named as behaviours.

mod alerts;
mod bad_input;
mod breaker;
mod conflicts;
mod dead_letters;
mod embed;
mod fixture;
mod hostile;
mod kafka_dead_letters;
mod kafka_fixture;
mod kafka_outages;
mod kafka_restarts;
mod kafka_retention;
mod kafka_sharing;
mod mail;
mod order;
mod outcomes;
mod shutdown;
mod transform;
mod walls;
