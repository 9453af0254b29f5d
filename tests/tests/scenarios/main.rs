//! What liaison promises, each promise a test on real parts. Named as behaviours.

mod alerts;
mod bad_input;
mod breaker;
mod command;
mod conflicts;
mod dead_letter_tray;
mod dead_letters;
mod embed;
mod fixture;
mod flood_guard;
mod hostile;
mod kafka_dead_letters;
mod kafka_fixture;
mod kafka_outages;
mod kafka_redrive;
mod kafka_restarts;
mod kafka_sharing;
mod order;
mod outcomes;
mod shutdown;
mod transform;
mod walls;
