//! What several deliveries ask for as few requests: rows of one statement, lines of one file.

mod lines;
mod rows;

use liaison_sdk::joint::{Joint, Reply, join_own};
use liaison_sdk::prelude::*;

use crate::settings::{Into, Settings};

pub(crate) fn join(deliveries: Vec<Delivery>) -> Vec<Joint> {
    // Whoever delivers says what is wrong with the settings.
    let Ok(settings) = settings::<Settings>() else { return Vec::new() };
    match &settings.into {
        Into::Tables(tables) => rows::join(tables, deliveries).into_iter().collect(),
        Into::Files(_) => join_own(deliveries, crate::deliver, lines::join),
    }
}

/// What each would have been answered.
pub(crate) fn split(memo: Vec<u8>, reply: Reply) -> Vec<Reply> {
    rows::split(memo, reply)
}
