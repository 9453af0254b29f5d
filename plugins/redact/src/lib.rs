//! Keeps, drops, masks and hashes what events hold, so that a system receives only what it may.
//!
//! In comes an event, out goes the same event with what the settings let through, in the order and with the digits that it
//! came with. What cannot be redacted is rejected: there is no way by which an event passes as it was.

mod hash;
mod mask;
mod pattern;
mod redaction;
mod settings;

use liaison_sdk::prelude::*;

use crate::redaction::NotRedacted;
use crate::settings::{OtherData, Settings};

liaison_sdk::transformer!(transform);

fn transform(event: Event) -> Result<Transformed, Failure> {
    let settings = settings::<Settings>()?;
    let data = match event.data.as_deref().map(|data| settings.data.apply(data, &settings.writer)).transpose()
    {
        Ok(data) => data,
        Err(NotRedacted::OtherData(why)) => return Ok(other_data(settings.other_data, &why)),
        Err(NotRedacted::Value(why)) => return Ok(Transformed::reject(why)),
    };
    // Each part is written anew and nothing is taken over as it was, so that a part that is forgotten here is missing.
    Ok(Transformed::emit(Reshaped {
        type_: event.type_,
        subject: event.subject.and_then(|text| settings.subject.text(text, &settings.writer)),
        content_type: event.content_type,
        data,
        attributes: settings.attributes.apply(event.attributes, &settings.writer),
    }))
}

fn other_data(setting: OtherData, why: &str) -> Transformed {
    match setting {
        OtherData::Reject => Transformed::reject(why),
        OtherData::Drop => Transformed::drop(why),
    }
}

#[cfg(test)]
mod tests;
