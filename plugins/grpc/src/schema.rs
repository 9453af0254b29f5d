//! Methods of a descriptor set: JSON to an encoded message, and back, by protobuf's JSON mapping.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_sdk::failure::Failure;
use prost_reflect::prost::Message as _;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions,
};
use serde::Deserialize;
use serde_json::Value;

/// What becomes of fields that a message does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnknownFields {
    #[default]
    Ignore,
    Reject,
}

/// A unary method.
#[derive(Clone)]
pub(crate) struct Method {
    /// `/package.Service/Method`
    pub(crate) path: String,
    input: MessageDescriptor,
    output: MessageDescriptor,
}

/// All services of a descriptor set.
pub(crate) struct Schema(DescriptorPool);

impl Schema {
    /// From a `google.protobuf.FileDescriptorSet` in base64.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text).map_err(|_| {
            "is not base64; give it by `settings-files = { descriptor-set = { path = \"…\", as = \"base64\" } }`".to_owned()
        })?;
        let pool = DescriptorPool::decode(&bytes[..]).map_err(|error| {
            format!(
                "is no descriptor set ({error}); make it by `protoc --include_imports --descriptor_set_out=…`"
            )
        })?;
        Ok(Self(pool))
    }

    /// The method of this name, which must be unary.
    pub(crate) fn method(&self, path: &str) -> Result<Method, String> {
        let mut methods = self.0.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let wanted = |method: &prost_reflect::MethodDescriptor| {
            path == format!("/{}/{}", method.parent_service().full_name(), method.name())
        };
        let Some(method) = methods.find(wanted) else {
            return Err(format!("`{path}` is no method of the descriptor set; it has {}", self.names()));
        };
        if method.is_client_streaming() || method.is_server_streaming() {
            return Err(format!("`{path}` is a stream; only unary methods can be called"));
        }
        Ok(Method { path: path.to_owned(), input: method.input(), output: method.output() })
    }

    fn names(&self) -> String {
        let services = self.0.services();
        let names = services.flat_map(|service| {
            let methods =
                service.methods().map(|method| format!("/{}/{}", service.full_name(), method.name()));
            methods.collect::<Vec<_>>()
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

impl Method {
    /// The service of it, without the method.
    pub(crate) fn service(&self) -> &str {
        self.path.trim_start_matches('/').split('/').next().unwrap_or_default()
    }

    /// The encoded request.
    pub(crate) fn message(&self, json: &Value, unknown: UnknownFields) -> Result<Vec<u8>, Failure> {
        let options = DeserializeOptions::new().deny_unknown_fields(unknown == UnknownFields::Reject);
        let message = DynamicMessage::deserialize_with_options(self.input.clone(), json, &options);
        let message = message.map_err(|error| {
            Failure::Event(format!("the event does not fit the message {}: {error}", self.input.full_name()))
        })?;
        Ok(message.encode_to_vec())
    }

    /// An encoded response as JSON. Numbers of 64 bits stay numbers, as they are in events; fields that are not set have
    /// their defaults.
    pub(crate) fn read(&self, message: &[u8]) -> Result<Value, String> {
        let name = self.output.full_name();
        let message = DynamicMessage::decode(self.output.clone(), message)
            .map_err(|error| format!("its message is no {name}: {error}"))?;
        let options = SerializeOptions::new().stringify_64_bit_integers(false).skip_default_fields(false);
        message
            .serialize_with_options(serde_json::value::Serializer, &options)
            .map_err(|error| format!("its {name} has no form in JSON: {error}"))
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path)
    }
}
