//! The settings of a connector that uses this plugin: read and checked once an instance.

use liaison_sdk::failure::Failure;
use liaison_sdk::procedure::Calls;
use liaison_sdk::template::{JsonTemplate, Source, TextTemplate, Uses};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::envelope::Version;
use crate::fault::Faults;
use crate::schema::{Element, Schema};
use crate::write::{self, UnknownFields};
use crate::wsdl::{Operation, Wsdl};
use crate::xml;

/// The settings as used. The README describes each.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) calls: Calls<Call>,
    pub(crate) version: Version,
    pub(crate) schema: Schema,
    pub(crate) header: Option<TextTemplate>,
    unknown_fields: UnknownFields,
    pub(crate) faults: Faults,
    pub(crate) check: Option<Checked>,
    pub(crate) check_path: Option<String>,
}

/// One call and how its body is made.
#[derive(Debug)]
pub(crate) struct Call {
    /// For a person.
    pub(crate) name: String,
    pub(crate) action: String,
    /// The element of the response, where the WSDL says.
    pub(crate) output: Option<Element>,
    /// The WSDL says that there is none.
    pub(crate) is_one_way: bool,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// The fields of an operation; the event's data where nothing is said.
    Fields {
        input: Element,
        fields: Option<JsonTemplate>,
    },
    Template(TextTemplate),
}

/// A call without an event.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) action: String,
    pub(crate) name: String,
    pub(crate) body: String,
}

impl liaison_sdk::procedure::Call for Call {
    fn uses(&self) -> Uses {
        match &self.body {
            Body::Fields { fields: None, .. } => Uses { all_data: true, ..Uses::default() },
            Body::Fields { fields: Some(fields), .. } => fields.uses(),
            Body::Template(template) => template.uses(),
        }
    }
}

impl Settings {
    /// The body of this call for an event.
    pub(crate) fn body(&self, call: &Call, source: &Source<'_>) -> Result<String, Failure> {
        match &call.body {
            Body::Template(template) => template.render(source, xml::escaped),
            Body::Fields { input, fields: None } => {
                write::element(&self.schema, input, source.data()?, self.unknown_fields)
            }
            Body::Fields { input, fields: Some(fields) } => {
                write::element(&self.schema, input, &fields.build(source)?, self.unknown_fields)
            }
        }
    }
}

/// The settings as written, beside those of calls.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    wsdl: Option<String>,
    soap: Option<Version>,
    header: Option<TextTemplate>,
    #[serde(default)]
    unknown_fields: UnknownFields,
    #[serde(default)]
    faults: Faults,
    check: Option<WrittenCheck>,
    check_path: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCall {
    operation: Option<String>,
    fields: Option<JsonTemplate>,
    action: Option<String>,
    body: Option<TextTemplate>,
}

/// There is no event to make a body from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCheck {
    operation: Option<String>,
    #[serde(default)]
    fields: Map<String, Value>,
    #[serde(default)]
    action: String,
    body: Option<String>,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (calls, written) = Calls::<WrittenCall>::read_beside::<Written, D>(deserializer)?;
        written.checked(calls).map_err(D::Error::custom)
    }
}

impl Written {
    fn checked(self, calls: Calls<WrittenCall>) -> Result<Settings, String> {
        let wsdl = self.wsdl.as_deref().map(|text| Wsdl::parse(text, self.soap)).transpose();
        let wsdl = wsdl.map_err(|error| format!("wsdl: {error}"))?;
        if let Some(header) = &self.header {
            well_formed(&header.with_each("x")).map_err(|error| format!("header: {error}"))?;
        }
        let calls = calls.try_map(|key, written| written.checked(key, wsdl.as_ref()))?;
        if let Some(lookup) = calls.lookup.as_ref().filter(|lookup| lookup.call.is_one_way) {
            return Err(format!(
                "lookup: operation: `{}` answers with nothing, and so shows nothing of what is held",
                lookup.call.name
            ));
        }
        let check = self.check.map(|check| check.checked(wsdl.as_ref())).transpose();
        let check = check.map_err(|error| format!("check: {error}"))?;
        let version = wsdl.as_ref().map(|wsdl| wsdl.version).or(self.soap).unwrap_or(Version::V11);
        Ok(Settings {
            calls,
            version,
            schema: wsdl.map(|wsdl| wsdl.schema).unwrap_or_default(),
            header: self.header,
            unknown_fields: self.unknown_fields,
            faults: self.faults,
            check,
            check_path: self.check_path,
        })
    }
}

impl WrittenCall {
    fn checked(self, key: &str, wsdl: Option<&Wsdl>) -> Result<Call, String> {
        let wrong = |error: String| format!("{key}: {error}");
        match (self.operation, self.body) {
            (Some(operation), None) => {
                let Operation { name, action, input, output } =
                    find(wsdl, &operation).map_err(|error| wrong(format!("operation: {error}")))?.clone();
                let body = Body::Fields { input, fields: self.fields };
                let (is_one_way, action) = (output.is_none(), self.action.unwrap_or(action));
                Ok(Call { name, action, output, is_one_way, body })
            }
            (None, Some(body)) => {
                if self.fields.is_some() {
                    return Err(wrong(
                        "fields: are those of an `operation`; a `body` has them in it".to_owned(),
                    ));
                }
                well_formed(&body.with_each("x")).map_err(|error| wrong(format!("body: {error}")))?;
                let action = self.action.unwrap_or_default();
                let name = if action.is_empty() { key.to_owned() } else { action.clone() };
                Ok(Call { name, action, output: None, is_one_way: false, body: Body::Template(body) })
            }
            (Some(_), Some(_)) | (None, None) => {
                Err(wrong("give either the `operation` of a WSDL, or a `body`".to_owned()))
            }
        }
    }
}

impl WrittenCheck {
    fn checked(self, wsdl: Option<&Wsdl>) -> Result<Checked, String> {
        match (self.operation, self.body) {
            (Some(operation), None) => {
                let Operation { name, action, input, .. } = find(wsdl, &operation)?;
                let schema = wsdl.map(|wsdl| &wsdl.schema).ok_or("there is no `wsdl`")?;
                let body = write::element(schema, input, &self.fields.into(), UnknownFields::Reject);
                let body = body.map_err(|error| error.to_string())?;
                Ok(Checked { action: action.clone(), name: name.clone(), body })
            }
            (None, Some(body)) => {
                well_formed(&body).map_err(|error| format!("body: {error}"))?;
                Ok(Checked { name: "check".to_owned(), action: self.action, body })
            }
            (Some(_), Some(_)) | (None, None) => {
                Err("give either the `operation` of a WSDL, or a `body`".to_owned())
            }
        }
    }
}

fn find<'wsdl>(wsdl: Option<&'wsdl Wsdl>, operation: &str) -> Result<&'wsdl Operation, String> {
    let mend = "there is no `wsdl`; give it by `settings-files = { wsdl = { path = \"…\" } }`";
    wsdl.ok_or_else(|| mend.to_owned())?.operation(operation)
}

/// One or more elements, which is what stands in a body or in a header.
fn well_formed(text: &str) -> Result<(), String> {
    let whole = format!("<x>{text}</x>");
    let document = xml::parse(&whole).map_err(|error| format!("is not XML: {error}"))?;
    match xml::elements(&document.root_element()).next() {
        Some(_) => Ok(()),
        None => Err("has no element".to_owned()),
    }
}
