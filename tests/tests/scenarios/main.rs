//! What liaison promises, each promise a test on real parts. Named as behaviours.

mod alerts;
mod bad_input;
mod breaker;
mod conflicts;
mod dead_letters;
mod delays;
mod embed;
mod filing;
mod fixture;
mod hostile;
mod journal;
mod kafka_dead_letters;
mod kafka_delays;
mod kafka_fixture;
mod kafka_journal;
mod kafka_outages;
mod kafka_restarts;
mod kafka_sharing;
mod order;
mod outcomes;
mod shutdown;
mod transform;
mod walls;
