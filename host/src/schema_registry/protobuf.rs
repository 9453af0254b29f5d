//! Protobuf to JSON (the language's own JSON mapping), by the `.proto` text that the registry has.
//!
//! The library compiles the text with what it imports, and reads the message; the JSON is bounded.

use prost_reflect::{DynamicMessage, FileDescriptor, MessageDescriptor, SerializeOptions};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::{Output, wire};

/// The name of the schema itself among the files.
const MAIN: &str = "liaison.schema.proto";

#[derive(Debug)]
pub(super) struct Protobuf {
    file: FileDescriptor,
}

/// The texts that a registry has, by the names under which they are imported.
struct Texts(Vec<(String, String)>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((name, text)) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

impl Protobuf {
    /// Compiles it, with those that it refers to.
    pub(super) fn parse(text: &str, references: Vec<(String, String)>) -> Result<Self, String> {
        let mut files = references;
        files.push((MAIN.to_owned(), text.to_owned()));
        let mut resolver = ChainFileResolver::new();
        resolver.add(Texts(files));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = Compiler::with_file_resolver(resolver);
        compiler.open_file(MAIN).map_err(|error| error.to_string())?;
        let file = compiler.descriptor_pool().get_file_by_name(MAIN);
        Ok(Self { file: file.ok_or("it was compiled to nothing")? })
    }

    /// Writes the message as JSON; its place in the file stands before it.
    pub(super) fn decode(&self, mut data: &[u8], output: &mut Output) -> Result<(), String> {
        let place = wire::indexes(&mut data)?;
        let descriptor =
            self.message(&place).ok_or_else(|| format!("its schema has no message at {place:?}"))?;
        let message = DynamicMessage::decode(descriptor, data).map_err(|error| error.to_string())?;
        // What has its default value is there too: whoever reads the JSON need not know the schema.
        let options = SerializeOptions::new().skip_default_fields(false);
        let mut serializer = serde_json::Serializer::new(output);
        message.serialize_with_options(&mut serializer, &options).map_err(|error| error.to_string())
    }

    fn message(&self, place: &[usize]) -> Option<MessageDescriptor> {
        let (first, rest) = place.split_first()?;
        // The messages that stand for the entries of a map are nobody's own, and not counted.
        let first = self.file.messages().filter(|message| !message.is_map_entry()).nth(*first)?;
        rest.iter().try_fold(first, |message, index| {
            message.child_messages().filter(|child| !child.is_map_entry()).nth(*index)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTO: &str = r#"
        syntax = "proto3";
        package agency.policies;
        import "google/protobuf/timestamp.proto";
        import "unit.proto";
        message Other { string name = 1; }
        message Policy {
            message Part { int32 number = 1; }
            string id = 1;
            int64 revision = 2;
            google.protobuf.Timestamp updated_at = 3;
            repeated Part parts = 4;
            map<string, agency.Unit> units = 5;
            bytes seal = 6;
        }
    "#;
    const UNIT: &str = r#"syntax = "proto3"; package agency; message Unit { bool is_open = 1; }"#;

    fn policy() -> Protobuf {
        Protobuf::parse(PROTO, vec![("unit.proto".to_owned(), UNIT.to_owned())]).unwrap()
    }

    fn decoded(data: &[u8]) -> Result<serde_json::Value, String> {
        let mut output = Output::default();
        policy().decode(data, &mut output)?;
        Ok(serde_json::from_slice(&output.into_bytes()).unwrap())
    }

    #[test]
    fn a_message_is_json_as_the_language_has_it() {
        // Message 1 of the file: id "p-7", revision 5, a time, one part with number 2, one unit.
        let mut data = vec![0x02, 0x02, 0x0a, 3];
        data.extend(b"p-7");
        data.extend([0x10, 5, 0x1a, 2, 0x08, 60, 0x22, 2, 0x08, 2, 0x2a, 7, 0x0a, 1, b'n', 0x12, 2, 0x08, 1]);
        let expected = serde_json::json!({
            "id": "p-7", "revision": "5", "updatedAt": "1970-01-01T00:01:00Z", "parts": [{"number": 2}],
            "units": {"n": {"isOpen": true}}, "seal": "",
        });
        assert_eq!(decoded(&data).unwrap(), expected);
        // The first message by its short form, and a nested one by two numbers.
        assert_eq!(decoded(b"\0\x0a\x01x").unwrap(), serde_json::json!({"name": "x"}));
        assert_eq!(decoded(b"\x04\x02\0\x08\x09").unwrap(), serde_json::json!({"number": 9}));
    }

    #[test]
    fn what_is_no_message_is_said() {
        for (data, said) in [
            (b"".as_slice(), "it ends too early"),
            (b"\x02\x08", "has no message at [4]"),
            (b"\x06\x02\0\0", "has no message at [1, 0, 0]"),
            (b"\0\x0a\x05x", "buffer underflow"),
            (b"\0\x0a\x01\xff", "invalid string"),
        ] {
            let error = decoded(data).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let missing = Protobuf::parse(PROTO, Vec::new()).unwrap_err();
        assert!(missing.contains("unit.proto"), "{missing}");
        assert!(Protobuf::parse("message", Vec::new()).is_err());
    }
}
