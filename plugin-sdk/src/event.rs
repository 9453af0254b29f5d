//! What a plugin reads of an event, and of its delivery, beside their fields.

use serde::Deserialize;

use crate::failure::Failure;
use crate::json;
use crate::outcome::{Delivery, Resolution};
use crate::transform::Event;

impl Event {
    /// The data as JSON, read now.
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where there is no data (a tombstone), or it is not JSON of this shape.
    pub fn json<'event, T: Deserialize<'event>>(&'event self) -> Result<T, Failure> {
        read(self.data.as_deref(), "the event's data")
    }

    /// The first extension attribute or header of this name, which is lower case.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// True where what the key or the subject names is gone.
    pub fn is_tombstone(&self) -> bool {
        self.data.is_none()
    }
}

impl Delivery {
    /// What to write: the event's data, or what the host made of it and of the external system's after a
    /// conflict.
    pub fn data(&self) -> Option<&[u8]> {
        match &self.resolution {
            Some(Resolution::Merged(merged)) => Some(&merged.data),
            Some(Resolution::Overwrite(_)) | None => self.event.data.as_deref(),
        }
    }

    /// The version to write over, where the host has decided on one after a conflict.
    pub fn version(&self) -> Option<&str> {
        match self.resolution.as_ref()? {
            Resolution::Overwrite(version) => version.as_deref(),
            Resolution::Merged(merged) => merged.version.as_deref(),
        }
    }

    /// What to write as JSON: as [`Event::json`], of [`Delivery::data`].
    ///
    /// # Errors
    ///
    /// [`Failure::Event`] where there is no data (a tombstone), or it is not JSON of this shape.
    pub fn json<'delivery, T: Deserialize<'delivery>>(&'delivery self) -> Result<T, Failure> {
        let what = match &self.resolution {
            Some(Resolution::Merged(_)) => "the merged data",
            Some(Resolution::Overwrite(_)) | None => "the event's data",
        };
        read(self.data(), what)
    }
}

fn read<'data, T: Deserialize<'data>>(data: Option<&'data [u8]>, what: &str) -> Result<T, Failure> {
    let data = data.ok_or_else(|| Failure::Event("the event has no data: it is a tombstone".to_owned()))?;
    json::parse(data).map_err(|error| Failure::Event(format!("{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::outcome::Merged;
    use crate::testing;

    #[test]
    fn a_delivery_holds_what_the_host_decided() {
        let event = || testing::event("t").data(json!(1));
        let plain = Delivery::from(event());
        assert_eq!((plain.json(), plain.version()), (Ok(1), None));

        let over = Delivery::from(event().resolution(Resolution::Overwrite(Some("7".into()))));
        assert_eq!((over.json(), over.version()), (Ok(1), Some("7")));

        let merged = |data: &[u8]| Merged { data: data.to_vec(), version: Some("8".into()) };
        let merged = |data| Delivery::from(event().resolution(Resolution::Merged(merged(data))));
        assert_eq!((merged(b"2").json(), merged(b"2").version()), (Ok(2), Some("8")));
        assert_eq!(merged(b"2").event.json(), Ok(1));
        let error = merged(b"x").json::<u8>().unwrap_err().to_string();
        assert_eq!(error, "the merged data: expected value at line 1 column 1");
    }

    #[test]
    fn a_tombstone_has_no_data() {
        let gone = Delivery::from(testing::event("t").tombstone());
        assert!(gone.event.is_tombstone());
        let expected = Failure::Event("the event has no data: it is a tombstone".into());
        assert_eq!(gone.json::<u8>(), Err(expected));
    }
}
