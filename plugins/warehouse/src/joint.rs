//! What several deliveries ask for as few requests: rows of one statement, lines of one file.

mod lines;
mod rows;

use liaison_sdk::joint::{Effect, Joint, Reply};
use liaison_sdk::prelude::*;

use crate::settings::{Into, Settings};

pub(crate) fn join(effects: Vec<Effect>) -> Vec<Joint> {
    // Whoever delivers says what is wrong with the settings.
    let Ok(settings) = settings::<Settings>() else { return Vec::new() };
    match &settings.into {
        Into::Tables(tables) => rows::join(tables, effects).into_iter().collect(),
        Into::Files(_) => lines::join(&effects),
    }
}

/// What each would have been answered.
pub(crate) fn split(memo: Vec<u8>, reply: Reply) -> Vec<Reply> {
    rows::split(memo, reply)
}
