//! What is written by a schema and read by it again, and what is not understood.

use serde_json::{Value, json};

use super::*;
use crate::write::UnknownFields;
use crate::{read, write, xml};

/// A schema of this namespace `urn:a`, qualified or not.
fn schema(form: &str, content: &str) -> Result<Schema, String> {
    let text = format!(
        "<xs:schema xmlns:xs='{XS}' xmlns:a='urn:a' targetNamespace='urn:a' elementFormDefault='{form}'>{content}</xs:schema>"
    );
    let document = xml::parse(&text).unwrap();
    let mut schema = Schema::default();
    schema.add(document.root_element())?;
    Ok(schema)
}

fn written(schema: &Schema, value: &Value) -> Result<String, String> {
    let root = schema.element(&Name::new("urn:a", "root"))?;
    write::element(schema, &root, value, UnknownFields::Reject).map_err(|error| error.to_string())
}

const TYPES: &str = "
    <xs:element name='root' type='a:Root'/>
    <xs:element name='shared' type='xs:boolean'/>
    <xs:complexType name='Base'><xs:sequence><xs:element name='id' type='xs:long'/></xs:sequence>
      <xs:attribute name='lang'/></xs:complexType>
    <xs:complexType name='Root'><xs:complexContent><xs:extension base='a:Base'><xs:sequence>
      <xs:choice><xs:element name='one' type='a:Small'/><xs:element name='two' type='xs:date'/></xs:choice>
      <xs:element ref='a:shared' minOccurs='0'/>
      <xs:element name='price' maxOccurs='unbounded' minOccurs='0'><xs:complexType><xs:simpleContent>
        <xs:extension base='xs:decimal'><xs:attribute name='currency'/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
    </xs:sequence></xs:extension></xs:complexContent></xs:complexType>
    <xs:simpleType name='Small'><xs:restriction base='xs:int'/></xs:simpleType>";

#[test]
fn what_is_written_is_read_as_it_was() {
    let value = json!({ "@lang": "de", "id": 7, "one": -1, "shared": true,
                        "price": [{ "@currency": "EUR", "$": 12.5 }, 3] });
    for (form, expected) in [
        (
            "qualified",
            "<root xmlns=\"urn:a\" lang=\"de\"><id>7</id><one>-1</one><shared>true</shared><price currency=\"EUR\">12.5</price><price>3</price></root>",
        ),
        (
            "unqualified",
            "<root xmlns=\"urn:a\" lang=\"de\"><id xmlns=\"\">7</id><one xmlns=\"\">-1</one><shared>true</shared><price xmlns=\"\" currency=\"EUR\">12.5</price><price xmlns=\"\">3</price></root>",
        ),
    ] {
        let schema = schema(form, TYPES).unwrap();
        let text = written(&schema, &value).unwrap();
        assert_eq!(text, expected);
        let document = xml::parse(&text).unwrap();
        let root = schema.element(&Name::new("urn:a", "root")).unwrap();
        assert_eq!(read::element(&schema, &root, document.root_element()), value);
    }
    let schema = schema("qualified", TYPES).unwrap();
    assert_eq!(written(&schema, &json!({ "id": 7 })).unwrap(), "<root xmlns=\"urn:a\"><id>7</id></root>");
    assert!(written(&schema, &json!({})).unwrap_err().contains("at `root`: it has no `id`"));
    assert!(written(&schema, &json!({ "id": 7, "@x": 1 })).unwrap_err().contains("a field `@x`"));
}

#[test]
fn what_is_not_understood_is_named() {
    for (content, expected) in [
        (
            "<xs:element name='root' type='a:Elsewhere'/>",
            "the WSDL has no type {urn:a}Elsewhere; a schema that it imports",
        ),
        ("<xs:element name='other' type='xs:string'/>", "the WSDL has no element {urn:a}root"),
        (
            "<xs:element name='root'><xs:complexType><xs:group ref='a:g'/></xs:complexType></xs:element>",
            "the WSDL has an xs:group",
        ),
        (
            "<xs:element name='root' ref='a:root'/>",
            "the element {urn:a}root is declared and refers to another one",
        ),
        ("<xs:element name='root' type='b:T'/>", "`b:T`: the prefix `b` stands for nothing"),
        (
            "<xs:element name='root' type='a:A'/><xs:complexType name='A'><xs:complexContent><xs:extension base='a:A'/></xs:complexContent></xs:complexType>",
            "more than 32 types extend each other",
        ),
        (
            "<xs:element name='root'><xs:complexType><xs:sequence><xs:element ref='a:root'/></xs:sequence></xs:complexType></xs:element>",
            "at `root`: it has no `root`",
        ),
    ] {
        let error = schema("qualified", content).and_then(|schema| written(&schema, &json!({}))).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_no_schema_describes_is_read_as_it_looks() {
    let text = "<a><b>x</b><b>y</b><c lang='de'> z </c><d xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'/><e/></a>";
    let document = xml::parse(text).unwrap();
    let expected = json!({ "b": ["x", "y"], "c": { "@lang": "de", "$": " z " }, "d": null, "e": "" });
    assert_eq!(read::generic(document.root_element()), expected);
    let schema = schema("qualified", "<xs:element name='root' type='xs:int'/>").unwrap();
    let root = schema.element(&Name::new("urn:a", "root")).unwrap();
    for (text, expected) in [
        ("<r> +7 </r>", json!(7)),
        ("<r>NaN</r>", json!("NaN")),
        ("<r>12345678901234567890</r>", json!(12_345_678_901_234_567_890_u64)),
    ] {
        let document = xml::parse(text).unwrap();
        assert_eq!(read::element(&schema, &root, document.root_element()), expected);
    }
}
