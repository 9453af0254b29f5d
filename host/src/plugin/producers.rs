//! What a component's file says of itself: who made it, and how many instances it is made of. Read from its sections,
//! not believed: it is for a person, and nothing is decided by it.

use serde::Serialize;
use wasmparser::{Instance, KnownCustom, Parser, Payload, ProducersSectionReader};

/// A longer name or version is cut: the file can say what it likes.
const MAX_CHARACTERS: usize = 80;
/// More entries are left out.
const MAX_ENTRIES: usize = 64;

/// An entry of a `producers` section (WebAssembly tool conventions): such as `language`, `Rust`, no version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    pub name: String,
    pub version: String,
}

/// What was found up to the first byte that makes no sense.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sections {
    /// Each once, in the order of the file.
    pub(super) producers: Vec<Producer>,
    /// Core instances that the component makes at its start.
    pub(super) instances: u32,
}

impl Sections {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut sections = Self::default();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload {
                Ok(Payload::CustomSection(section)) => {
                    if let KnownCustom::Producers(producers) = section.as_known() {
                        sections.add(producers);
                    }
                }
                Ok(Payload::InstanceSection(instances)) => {
                    let made = instances.into_iter().flatten();
                    let made =
                        made.filter(|instance| matches!(instance, Instance::Instantiate { .. })).count();
                    sections.instances += u32::try_from(made).unwrap_or(u32::MAX);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        sections
    }

    fn add(&mut self, producers: ProducersSectionReader<'_>) {
        for field in producers.into_iter().flatten() {
            for value in field.values.into_iter().flatten() {
                let cut = |text: &str| text.chars().take(MAX_CHARACTERS).collect::<String>();
                let producer =
                    Producer { field: cut(field.name), name: cut(value.name), version: cut(value.version) };
                if self.producers.len() < MAX_ENTRIES && !self.producers.contains(&producer) {
                    self.producers.push(producer);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module of one section: `producers`, `language`, `Rust` `2024`.
    fn module() -> Vec<u8> {
        let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let content =
            [text("producers"), vec![1], text("language"), vec![1], text("Rust"), text("2024")].concat();
        [b"\0asm\x01\0\0\0\0".to_vec(), vec![u8::try_from(content.len()).unwrap()], content].concat()
    }

    #[test]
    fn what_the_file_says_is_read_as_far_as_it_makes_sense() {
        let rust = Producer { field: "language".into(), name: "Rust".into(), version: "2024".into() };
        let expected = Sections { producers: vec![rust], instances: 0 };
        assert_eq!(Sections::of(&module()), expected);
        assert_eq!(Sections::of(&[module(), b"\xff\xff".to_vec()].concat()), expected);
        assert_eq!(Sections::of(b"not wasm"), Sections::default());
    }
}
