//! Where the header goes, what is in it, and what is refused.

use http::Request;
use proptest::prelude::*;

use super::*;

const SOAP_11: &str = ENVELOPES[0];
const PASSWORD: &str = "geh&eim<7>";

fn settings(password_type: PasswordType, file: &str) -> Settings {
    let path = std::env::temp_dir().join(format!("liaison-wsse-{}-{file}", std::process::id()));
    std::fs::write(&path, PASSWORD).unwrap();
    let password = SecretRef::File(path);
    Settings { username: "agency & co".to_owned(), password, password_type, must_understand: true }
}

fn remove(settings: &Settings) {
    if let SecretRef::File(path) = &settings.password {
        std::fs::remove_file(path).unwrap();
    }
}

fn message(body: &str) -> Message {
    Request::new(Bytes::copy_from_slice(body.as_bytes()).into())
}

fn body(message: &Message) -> String {
    match message.body() {
        Outgoing::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Outgoing::File(_) => panic!("it is a file"),
    }
}

/// What the envelope is with `#` in the place of the header.
fn marked(text: &str) -> Result<String, String> {
    let Place { at, until, before, after, .. } = place(text)?;
    Ok([&text[..at], &before, "#", &after, &text[until..]].concat())
}

#[test]
fn the_header_goes_where_soap_has_it() {
    for (before, expected) in [
        (
            "<e:Envelope xmlns:e='N'><e:Body/></e:Envelope>",
            "<e:Envelope xmlns:e='N'><e:Header>#</e:Header><e:Body/></e:Envelope>",
        ),
        (
            "<Envelope xmlns='N'> <Body/></Envelope>",
            "<Envelope xmlns='N'><Header>#</Header> <Body/></Envelope>",
        ),
        (
            "<e:Envelope xmlns:e='N'><e:Header/><e:Body/></e:Envelope>",
            "<e:Envelope xmlns:e='N'><e:Header>#</e:Header><e:Body/></e:Envelope>",
        ),
        (
            "<e:Envelope xmlns:e='N'><e:Header a='>/'></e:Header><e:Body/></e:Envelope>",
            "<e:Envelope xmlns:e='N'><e:Header a='>/'>#</e:Header><e:Body/></e:Envelope>",
        ),
        (
            "<e:Envelope xmlns:e='N'><f:Header xmlns:f='N' a='1' /><e:Body/></e:Envelope>",
            "<e:Envelope xmlns:e='N'><f:Header xmlns:f='N' a='1' >#</f:Header><e:Body/></e:Envelope>",
        ),
        (
            "<e:Envelope xmlns:e='N'><e:Header><a/></e:Header><e:Body/></e:Envelope>",
            "<e:Envelope xmlns:e='N'><e:Header>#<a/></e:Header><e:Body/></e:Envelope>",
        ),
        // What looks like an envelope and is none.
        (
            "<?xml version='1.0'?><!-- <e:Envelope> --><e:Envelope xmlns:e='N'><!-- <e:Header> --><e:Body><e:Header/></e:Body></e:Envelope>",
            "<?xml version='1.0'?><!-- <e:Envelope> --><e:Envelope xmlns:e='N'><e:Header>#</e:Header><!-- <e:Header> --><e:Body><e:Header/></e:Body></e:Envelope>",
        ),
    ] {
        for namespace in ENVELOPES {
            let (before, expected) = (
                before.replace("'N'", &format!("'{namespace}'")),
                expected.replace("'N'", &format!("'{namespace}'")),
            );
            assert_eq!(marked(&before), Ok(expected));
        }
    }
}

#[test]
fn what_is_no_envelope_is_refused() {
    let secured = format!(
        "<e:Envelope xmlns:e='{SOAP_11}'><e:Header><s:Security xmlns:s='{WSSE}'/></e:Header></e:Envelope>"
    );
    let entities = format!("<!DOCTYPE a [<!ENTITY x 'y'>]><e:Envelope xmlns:e='{SOAP_11}'>&x;</e:Envelope>");
    let empty = format!("<e:Envelope xmlns:e='{SOAP_11}'/>");
    for (text, expected) in [
        ("{}", "it is not XML: "),
        ("<Envelope><Body/></Envelope>", "it is no envelope of SOAP 1.1 or 1.2"),
        ("<e:Envelope xmlns:e='http://elsewhere'><e:Body/></e:Envelope>", "it is no envelope"),
        (&secured, "its header has a Security element, which is for the connector's credential"),
        (&entities, "it is not XML: "),
        (&empty, "its envelope is empty"),
    ] {
        let why = place(text).unwrap_err();
        assert!(why.starts_with(expected), "{text}: {why}");
    }
    let token = settings(PasswordType::Text, "refused");
    let wsse = UsernameToken::new(&token, Mask::default()).unwrap();
    let refused = wsse.apply(&mut message("{}"));
    assert!(matches!(refused, Err(Failure::Invalid(why)) if why.starts_with("body: it is not XML")));
    let mut bare = message("");
    wsse.apply(&mut bare).unwrap();
    assert_eq!(body(&bare), "");
    remove(&token);
}

fn text_of<'a>(document: &'a Document<'_>, name: &str) -> Option<&'a str> {
    document.descendants().find(|node| node.tag_name().name() == name)?.text()
}

#[test]
fn a_password_as_text_is_escaped_and_struck_out_in_each_spelling() {
    let token = settings(PasswordType::Text, "text");
    let mask = Mask::default();
    let wsse = UsernameToken::new(&token, mask.clone()).unwrap();
    let mut message = message(&format!("<Envelope xmlns='{SOAP_11}'><Body/></Envelope>"));
    wsse.apply(&mut message).unwrap();
    let sent = body(&message);
    let document = Document::parse(&sent).unwrap();
    assert_eq!(text_of(&document, "Username"), Some("agency & co"));
    assert_eq!(text_of(&document, "Password"), Some(PASSWORD));
    assert_eq!((text_of(&document, "Nonce"), text_of(&document, "Created")), (None, None));
    let security = document.descendants().find(|node| node.has_tag_name((WSSE, "Security"))).unwrap();
    assert_eq!(security.attribute((SOAP_11, "mustUnderstand")), Some("1"));
    assert!(security.parent().is_some_and(|parent| parent.has_tag_name((SOAP_11, "Header"))));
    let mut echoed = format!("{sent} {PASSWORD}");
    assert!(mask.text(&mut echoed));
    assert!(!echoed.contains("geh"), "{echoed}");
    remove(&token);
}

#[test]
fn a_digest_proves_the_password_without_it_and_never_twice_the_same() {
    // Of the profile's own formula: Base64 of SHA-1 of nonce, created and password.
    assert_eq!(
        digest(b"0123456789abcdef", "2026-01-01T00:00:00.000Z", "secret"),
        "Jcd++c9gZ/c4zFSpJtkPJ3kxLec="
    );
    let token = settings(PasswordType::Digest, "digest");
    let wsse = UsernameToken::new(&token, Mask::default()).unwrap();
    let sent = || {
        let mut message = message(&format!("<Envelope xmlns='{SOAP_11}'><Body/></Envelope>"));
        wsse.apply(&mut message).unwrap();
        body(&message)
    };
    let (first, second) = (sent(), sent());
    let of = |sent: &str| {
        let document = Document::parse(sent).unwrap();
        ["Nonce", "Created", "Password"].map(|name| text_of(&document, name).unwrap().to_owned())
    };
    let [nonce, created, proof] = of(&first);
    assert_eq!(proof, digest(&STANDARD.decode(&nonce).unwrap(), &created, PASSWORD));
    assert!(created.ends_with('Z') && created.len() == 24, "{created}");
    assert_ne!(nonce, of(&second)[0]);
    assert!(!first.contains("geh"), "{first}");
    remove(&token);
}

#[test]
fn a_password_that_was_rotated_takes_the_place_of_the_refused_one() {
    let token = settings(PasswordType::Text, "rotated");
    let wsse = UsernameToken::new(&token, Mask::default()).unwrap();
    assert!(wsse.is_renewable());
    let mut message = message(&format!("<e:Envelope xmlns:e='{SOAP_11}'><e:Body>ü</e:Body></e:Envelope>"));
    wsse.apply(&mut message).unwrap();
    assert!(!wsse.renew(&mut message), "there is no other");
    let SecretRef::File(path) = &token.password else { panic!("it is a file") };
    let mut beside = message.clone();
    std::fs::write(path, "another-one").unwrap();
    assert!(wsse.renew(&mut message));
    assert!(!wsse.renew(&mut message), "the new one was refused too");
    assert!(wsse.renew(&mut beside), "it was on its way when the password was rotated");
    assert_eq!(body(&beside), body(&message));
    let sent = body(&message);
    let document = Document::parse(&sent).unwrap();
    assert_eq!(text_of(&document, "Password"), Some("another-one"));
    assert_eq!(text_of(&document, "Body"), Some("ü"));
    assert_eq!(document.descendants().filter(|node| node.has_tag_name((WSSE, "Security"))).count(), 1);
    remove(&token);
}

#[test]
fn what_xml_cannot_carry_is_found_at_the_start() {
    let token = settings(PasswordType::Text, "control");
    let SecretRef::File(path) = &token.password else { panic!("it is a file") };
    std::fs::write(path, "a\u{1}secret").unwrap();
    let error = UsernameToken::new(&token, Mask::default()).err().unwrap().to_string();
    assert!(error.contains("that no XML may carry") && !error.contains("secret\""), "{error}");
    remove(&token);
}

/// Pieces of envelopes, good and bad.
fn piece() -> impl Strategy<Value = String> {
    let fixed = [
        format!("<e:Envelope xmlns:e='{SOAP_11}'>"),
        format!("<Envelope xmlns='{}'>", ENVELOPES[1]),
        "</e:Envelope>".to_owned(),
        "</Envelope>".to_owned(),
        "<e:Header>".to_owned(),
        "<e:Header/>".to_owned(),
        "<e:Header a='</'></e:Header>".to_owned(),
        "</e:Header>".to_owned(),
        "<Header xmlns=''/>".to_owned(),
        "<e:Body>ü</e:Body>".to_owned(),
        "<Body/>".to_owned(),
        "<!-- <e:Header> -->".to_owned(),
        "<![CDATA[<e:Header>]]>".to_owned(),
        "<?xml version='1.0'?>".to_owned(),
        "\u{feff}".to_owned(),
        " ".to_owned(),
        "&lt;".to_owned(),
        "<".to_owned(),
    ];
    (0..fixed.len()).prop_map(move |index| fixed[index].clone())
}

proptest! {
    /// Whatever a plugin writes: what is sent is an envelope with one header of ours in its own, or nothing is.
    #[test]
    fn the_header_stands_in_the_header_or_nowhere(pieces in proptest::collection::vec(piece(), 0..8)) {
        let text = pieces.concat();
        if let Ok(Place { envelope, at, until, before, after }) = place(&text) {
            let ours = format!("<wsse:Security xmlns:wsse='{WSSE}'/>");
            let sent = [&text[..at], &before, &ours, &after, &text[until..]].concat();
            let document = Document::parse(&sent).unwrap();
            let root = document.root_element();
            let header = root.children().find(|child| child.has_tag_name((envelope, "Header"))).unwrap();
            let is_ours = |node: &Node<'_, '_>| node.has_tag_name((WSSE, "Security"));
            prop_assert_eq!(header.children().filter(is_ours).count(), 1);
            prop_assert_eq!(document.descendants().filter(is_ours).count(), 1);
        }
    }
}
