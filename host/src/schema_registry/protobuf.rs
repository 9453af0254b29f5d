//! Protobuf to JSON (the language's own JSON mapping), by the `.proto` text or the descriptor that the registry has.
//!
//! The library compiles the text with what it imports, and reads the message; the JSON is bounded in size and depth, for an
//! `Any` within an `Any` is copied at each level. Options that somebody made up are thrown away before anything is compiled:
//! the JSON does not depend on them, and the library reads their values by recursion without a limit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, UninterpretedOption,
};
use prost_reflect::{DynamicMessage, FileDescriptor, MessageDescriptor, SerializeOptions};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use serde_json::Serializer;

use super::output::{Nested, Output};
use super::wire;

/// The name of the schema itself among the files.
const MAIN: &str = "liaison.schema.proto";
/// Files that Confluent's registry knows by itself, so that nobody refers to them. The first one defines options alone.
const KNOWN: [(&str, &str); 2] = [
    ("confluent/meta.proto", "syntax = \"proto3\"; package confluent;"),
    (
        "confluent/type/decimal.proto",
        "syntax = \"proto3\"; package confluent.type; \
         message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }",
    ),
];

#[derive(Debug)]
pub(super) struct Protobuf {
    file: FileDescriptor,
}

/// The texts that a registry has, by the names under which they are imported.
struct Texts(Vec<(String, String)>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let known = KNOWN.iter().map(|(known, text)| (*known, *text));
        let texts = self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let (_, text) = texts
            .chain(known)
            .find(|(known, _)| *known == name)
            .ok_or_else(|| protox::Error::file_not_found(name))?;
        let mut file = match serialized(text) {
            Some(file) => file,
            None => File::from_source(name, text)?.into(),
        };
        file.name = Some(name.to_owned());
        without_own_options(&mut file);
        Ok(File::from_file_descriptor_proto(file))
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
        let mut serializer = Serializer::with_formatter(output, Nested::default());
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

/// A schema that was registered as its compiler has it: some of Confluent's own clients do that.
fn serialized(text: &str) -> Option<FileDescriptorProto> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    FileDescriptorProto::decode(bytes.as_slice()).ok()
}

/// Without the options that somebody made up, and without comments. What the language itself knows stays, such as that two
/// names of an enum may stand for one number.
fn without_own_options(file: &mut FileDescriptorProto) {
    file.source_code_info = None;
    file.service.clear();
    keep_plain(file.options.as_mut().map(|options| &mut options.uninterpreted_option));
    file.message_type.iter_mut().for_each(of_message);
    file.enum_type.iter_mut().for_each(of_enum);
    file.extension.iter_mut().for_each(of_field);
}

/// Messages are nested as deep as the parser, or the reading of a descriptor, lets them be.
fn of_message(message: &mut DescriptorProto) {
    keep_plain(message.options.as_mut().map(|options| &mut options.uninterpreted_option));
    for one in &mut message.oneof_decl {
        keep_plain(one.options.as_mut().map(|options| &mut options.uninterpreted_option));
    }
    message.extension_range.iter_mut().for_each(|range| range.options = None);
    message.field.iter_mut().for_each(of_field);
    message.extension.iter_mut().for_each(of_field);
    message.enum_type.iter_mut().for_each(of_enum);
    message.nested_type.iter_mut().for_each(of_message);
}

fn of_field(field: &mut FieldDescriptorProto) {
    keep_plain(field.options.as_mut().map(|options| &mut options.uninterpreted_option));
}

fn of_enum(of: &mut EnumDescriptorProto) {
    keep_plain(of.options.as_mut().map(|options| &mut options.uninterpreted_option));
    for value in &mut of.value {
        keep_plain(value.options.as_mut().map(|options| &mut options.uninterpreted_option));
    }
}

fn keep_plain(options: Option<&mut Vec<UninterpretedOption>>) {
    let is_plain = |option: &UninterpretedOption| {
        option.aggregate_value.is_none() && option.name.iter().all(|part| !part.is_extension)
    };
    if let Some(options) = options {
        options.retain(is_plain);
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
    fn a_schema_may_be_a_descriptor_as_its_compiler_has_it() {
        // As a Python client of Confluent's registers them; the same schema as `PROTO` in the scenarios.
        let unit = "Cg5nb3YvdW5pdC5wcm90bxIDZ292IhYKBFVuaXQSDgoGbnVtYmVyGAEgASgFYgZwcm90bzM=";
        let policy = "Cgxwb2xpY3kucHJvdG8SA2dvdhoOZ292L3VuaXQucHJvdG8aH2dvb2dsZS9wcm90b2J1Zi90aW1lc3RhbXAucHJvdG8iFQoFT3\
            RoZXISDAoEbmFtZRgBIAEoCSKZAQoGUG9saWN5Eg0KBXRpdGxlGAEgASgJEi4KCnVwZGF0ZWRfYXQYAiABKAsyGi5nb29nbGUucHJvdG9idWYuVG\
            ltZXN0YW1wEhcKBHVuaXQYAyABKAsyCS5nb3YuVW5pdBIfCgVwYXJ0cxgEIAMoCzIQLmdvdi5Qb2xpY3kuUGFydBoWCgRQYXJ0Eg4KBm51bWJlch\
            gBIAEoBWIGcHJvdG8z";
        let schema = Protobuf::parse(policy, vec![("gov/unit.proto".to_owned(), unit.to_owned())]).unwrap();
        let mut output = Output::default();
        schema.decode(b"\x02\x02\x0a\x05proto\x1a\x02\x08\x07", &mut output).unwrap();
        assert_eq!(output.into_bytes(), r#"{"title":"proto","unit":{"number":7},"parts":[]}"#);
    }

    #[test]
    fn options_are_left_out_however_deep_they_are() {
        let nested = format!("{}{}", "m { ".repeat(100_000), "}".repeat(100_000));
        let text = format!(
            r#"syntax = "proto3"; import "google/protobuf/descriptor.proto"; import "confluent/meta.proto";
            message M {{ M m = 1; }}
            extend google.protobuf.FieldOptions {{ M deep = 50000; }}
            message Own {{
                option (confluent.message_meta).doc = "of an extension that is nowhere";
                string name = 1 [(deep) = {{ {nested} }}, deprecated = true];
                map<string, int32> counts = 2;
                Kind kind = 3 [json_name = "type"];
            }}
            enum Kind {{ option allow_alias = true; OPEN = 0; FREE = 0; SHUT = 1; }}"#
        );
        let schema = Protobuf::parse(&text, Vec::new()).unwrap();
        let mut output = Output::default();
        schema.decode(b"\x02\x02\x0a\x01x\x12\x05\x0a\x01a\x10\x01\x18\x01", &mut output).unwrap();
        assert_eq!(output.into_bytes(), r#"{"name":"x","counts":{"a":1},"type":"SHUT"}"#);
    }

    #[test]
    fn what_is_nested_costs_no_more_than_its_bound() {
        let text = r#"syntax = "proto3"; import "google/protobuf/any.proto";
            import "confluent/type/decimal.proto";
            message Own { google.protobuf.Any any = 1; confluent.type.Decimal fee = 2; }"#;
        let schema = Protobuf::parse(text, Vec::new()).unwrap();
        let any = |inner: &[u8]| {
            let url = b"type.googleapis.com/google.protobuf.Any";
            let mut bytes = vec![0x0a, u8::try_from(url.len()).unwrap()];
            bytes.extend_from_slice(url);
            bytes.push(0x12);
            prost_reflect::prost::encoding::encode_varint(inner.len() as u64, &mut bytes);
            bytes.extend_from_slice(inner);
            bytes
        };
        let own = |depth: usize| {
            let inner = (0..depth).fold(Vec::new(), |inner, _| any(&inner));
            let mut bytes = vec![0, 0x0a];
            prost_reflect::prost::encoding::encode_varint(inner.len() as u64, &mut bytes);
            bytes.extend_from_slice(&inner);
            bytes
        };
        // The innermost is empty, which an `Any` must not be.
        let few = schema.decode(&own(3), &mut Output::default()).unwrap_err();
        assert!(few.contains("type url"), "{few}");
        let many = schema.decode(&own(1_000), &mut Output::default()).unwrap_err();
        assert!(many.contains("nested deeper than 64"), "{many}");
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
