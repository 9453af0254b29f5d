//! The last attempts of events that may be given up without another one, in memory and within a bound. Pure.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;

use crate::dead_letter::recording::Recorded;

/// What may be kept, and is.
#[derive(Debug)]
pub(crate) struct Recordings {
    limit_bytes: usize,
    bytes: Rc<Cell<usize>>,
}

/// One that is kept until this is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    json: Bytes,
    /// What it counts for.
    counted: usize,
    bytes: Rc<Cell<usize>>,
}

impl Recordings {
    /// So many bytes together.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, bytes: Rc::default() }
    }

    /// Keeps a recording; where there is no room for it, why it is missing.
    pub(crate) fn keep(&self, json: Bytes) -> Kept {
        let has_room = self.bytes.get() + json.len() <= self.limit_bytes;
        let counted = if has_room { json.len() } else { 0 };
        self.bytes.set(self.bytes.get() + counted);
        let json =
            if has_room { json } else { Recorded::cut("too many others were kept when it was attempted") };
        Kept { json, counted, bytes: self.bytes.clone() }
    }

    /// The memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }
}

impl Kept {
    pub(crate) fn json(&self) -> Bytes {
        self.json.clone()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.bytes.set(self.bytes.get() - self.counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_says_so_and_what_is_let_go_makes_room() {
        let recordings = Recordings::new(10);
        let text = |text: &'static str| Bytes::from_static(text.as_bytes());
        let first = recordings.keep(text("123456"));
        assert_eq!((first.json(), recordings.bytes()), (text("123456"), 6));
        let second = recordings.keep(text("12345"));
        assert!(matches!(Recorded::from_json(&second.json()), Ok(Recorded::Cut(_))));
        assert_eq!(recordings.bytes(), 6);
        drop(first);
        let third = recordings.keep(text("1234567890"));
        assert_eq!((third.json().len(), recordings.bytes()), (10, 10));
        drop((second, third));
        assert_eq!(recordings.bytes(), 0);
    }
}
