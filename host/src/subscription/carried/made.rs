//! What was made of an event and decided of it: its parts, and the answer to a conflict.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::Carried;
use crate::contract::Resolution;
use crate::event::Event;

impl Carried {
    /// What the transformers made of it.
    pub(crate) fn transformed(&mut self, parts: impl IntoIterator<Item = Arc<Event>>) {
        let mut parts: VecDeque<_> = parts.into_iter().collect();
        self.part_count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        // Those that were delivered before it was parked.
        self.part = self.part.min(self.part_count.saturating_sub(1));
        parts.drain(..self.part as usize);
        self.parts_bytes = parts.iter().map(|part| self.part_bytes(part)).sum();
        self.parts = Some(parts);
        self.weigh();
    }

    /// What a part takes that is not the event itself.
    fn part_bytes(&self, part: &Arc<Event>) -> usize {
        if Arc::ptr_eq(part, &self.event) { 0 } else { event_bytes(part) }
    }

    /// What was decided of its conflict: the connector is called again with it.
    pub(crate) fn resolve(&mut self, resolution: Resolution) {
        self.resolution = Some(resolution);
        self.weigh();
    }

    pub(crate) fn resolution(&self) -> Option<&Resolution> {
        self.resolution.as_ref()
    }

    /// A person is to decide its conflict, of which these are the sides.
    pub(crate) fn leave_to_a_person(&mut self, sides: Bytes) {
        self.conflict = Some(sides);
        self.weigh();
    }

    pub(crate) fn conflict(&self) -> Option<&Bytes> {
        self.conflict.as_ref()
    }

    fn weigh(&mut self) {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let resolution = match &self.resolution {
            Some(Resolution::Merged { data, version }) => data.len() + text(version),
            Some(Resolution::Overwrite(version)) => text(version),
            None => 0,
        };
        let conflict = self.conflict.as_ref().map_or(0, Bytes::len);
        self.weight.set(self.parts_bytes + resolution + conflict);
    }

    pub(crate) fn has_more_parts(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.len() > 1)
    }

    /// What is delivered next, once the transformers were asked.
    pub(crate) fn next_part(&self) -> Option<Arc<Event>> {
        self.parts.as_ref()?.front().cloned()
    }

    /// The part at work is delivered. `false` if it was the last; the next one starts from nothing.
    pub(crate) fn next_after_delivered(&mut self) -> bool {
        let Some(parts) = &mut self.parts else { return false };
        let done = parts.pop_front();
        if parts.is_empty() {
            return false;
        }
        self.parts_bytes -= done.map_or(0, |done| self.part_bytes(&done));
        self.part += 1;
        self.begin_anew();
        true
    }

    /// The connector rejects what transformers on trial made. True where those before them are to make it anew, from nothing:
    /// nothing of it is delivered.
    pub(crate) fn make_anew(&mut self, why: &str) -> bool {
        if self.part > 0 || !self.makers.rejected(why) {
            return false;
        }
        self.parts = None;
        self.parts_bytes = 0;
        self.begin_anew();
        true
    }

    fn begin_anew(&mut self) {
        self.first_attempt_at = None;
        self.first_failure_at = None;
        self.last_failure_at = None;
        self.recording = None;
        self.conflict = None;
        self.attempts = 0;
        self.doubtful.clear();
        self.faults = 0;
        self.resolutions = 0;
        self.denials = 0;
        self.last_denied_at = None;
        self.resolution = None;
        self.weigh();
    }
}

/// The bytes of a part that a transformer made.
fn event_bytes(event: &Event) -> usize {
    let attributes: usize = event.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    event.data.as_ref().map_or(0, Bytes::len) + attributes
}
