//! Credentials on the way: tokens fetched, rotated and refused, and certificates of our own.

use http::{Response, StatusCode};
use http_body_util::Full;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::server::Seen;
use super::*;
use crate::config::{ClientAuthentication, ClientCertificate, OAuth2Client};
use crate::contract::Kept;

const SECRET: &str = "cl!ent s3cret";

/// A token endpoint that gives `token-1`, `token-2` …, each for so many seconds.
async fn tokens(expires_in: u32) -> Server {
    let count = RefCell::new(0);
    Server::plain(move |_| {
        *count.borrow_mut() += 1;
        let number = *count.borrow();
        let text =
            format!(r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":{expires_in}}}"#);
        answer(200, text)
    })
    .await
}

/// A system that takes this token alone.
async fn system(token: &'static str) -> Server {
    Server::plain(move |seen| match seen.header("authorization") == Some(&format!("Bearer {token}")) {
        true => answer(200, "welcome"),
        false => answer(401, "who are you?"),
    })
    .await
}

fn client(tokens: &Server, secret: &SecretFile, authentication: ClientAuthentication) -> OAuth2Client {
    OAuth2Client {
        token_url: Url::parse(&format!("http://{}/token?tenant=1", tokens.address)).unwrap(),
        id: "liaison+1".to_owned(),
        secret: SecretRef::File(secret.path.clone()),
        scope: Some("events.write events.read".to_owned()),
        audience: None,
        authentication,
    }
}

fn with_oauth2(system: &Server, client: OAuth2Client) -> Egress {
    let credential = Some(Credential::OAuth2(client));
    Egress { credential, ..settings(&format!("http://{}", system.address)) }
}

fn texts(server: &Server) -> Vec<(String, Option<String>, String)> {
    let text = |seen: &Seen| {
        let header = seen.header("authorization").map(str::to_owned);
        (seen.line.clone(), header, String::from_utf8(seen.body.to_vec()).unwrap())
    };
    server.seen.borrow().iter().map(text).collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_who_need_it_and_used_until_it_expires() {
    local(async {
        let (tokens, system) = (tokens(3600).await, system("token-1").await);
        let secret = secret_file("oauth-once", SECRET);
        let settings = with_oauth2(&system, client(&tokens, &secret, ClientAuthentication::Basic));
        let mask = Mask::default();
        let gateway = Rc::new(Gateway::new(&settings, mask.clone(), &std::env::temp_dir()).unwrap());
        let ask = |gateway: Rc<Gateway>| async move { perform(&gateway, &request("GET", "/x")).await };
        let all: Vec<_> = (0..8).map(|_| spawn_local(ask(Rc::clone(&gateway)))).collect();
        for response in all {
            assert_eq!(response.await.unwrap().unwrap().body, "welcome");
        }
        assert_eq!(perform(&gateway, &request("GET", "/x")).await.unwrap().status, 200);
        let basic = "Basic bGlhaXNvbiUyQjE6Y2wlMjFlbnQrczNjcmV0";
        let form = "grant_type=client_credentials&scope=events.write+events.read";
        let expected = ("POST /token?tenant=1 HTTP/1.1".to_owned(), Some(basic.to_owned()), form.to_owned());
        assert_eq!(texts(&tokens), [expected]);
        let mut text = format!("token-1 {SECRET} {basic} cl%21ent+s3cret");
        assert!(mask.text(&mut text));
        assert_eq!(text, "[secret] [secret] Basic [secret] [secret]");
    })
    .await;
}

#[tokio::test]
async fn a_token_that_has_expired_is_not_used() {
    local(async {
        let (tokens, system) = (tokens(0).await, system("token-2").await);
        let secret = secret_file("oauth-expired", SECRET);
        let settings = with_oauth2(&system, client(&tokens, &secret, ClientAuthentication::Body));
        let gateway = Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap();
        // The first is refused, and that is tried again with another.
        assert_eq!(perform(&gateway, &request("GET", "/x")).await.unwrap().status, 200);
        assert_eq!(perform(&gateway, &request("GET", "/x")).await.unwrap().status, 401);
        let form = "grant_type=client_credentials&scope=events.write+events.read\
                    &client_id=liaison%2B1&client_secret=cl%21ent+s3cret";
        let seen = texts(&tokens);
        assert_eq!(seen.len(), 4, "one each, and one for each that was refused");
        assert_eq!((&seen[0].1, &seen[0].2[..]), (&None, form));
    })
    .await;
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once_and_then_it_is_the_answer() {
    local(async {
        let (tokens, system) = (tokens(3600).await, system("token-2").await);
        let secret = secret_file("oauth-refused", SECRET);
        let settings = with_oauth2(&system, client(&tokens, &secret, ClientAuthentication::Basic));
        let gateway = Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap();
        let put = HttpRequest { body: Body::Bytes(Bytes::from_static(b"data")), ..request("PUT", "/x") };
        assert_eq!(perform(&gateway, &put).await.unwrap().body, "welcome");
        assert_eq!(texts(&system).iter().map(|seen| &seen.2[..]).collect::<Vec<_>>(), ["data", "data"]);
        assert_eq!(perform(&gateway, &put).await.unwrap().status, 200);
        assert_eq!((tokens.seen.borrow().len(), system.seen.borrow().len()), (2, 3));
        drop(system);
    })
    .await;
}

#[tokio::test]
async fn what_the_token_endpoint_says_is_a_failure_that_names_it() {
    local(async {
        let system = system("none").await;
        let cases: [(u16, String, &str); 7] = [
            (
                401,
                format!(r#"{{"error":"invalid_client","error_description":"no {SECRET}"}}"#),
                "it answered 401, invalid_client: no [secret]",
            ),
            (
                400,
                r#"{"error":"invalid_scope"}"#.to_owned(),
                "it answered 400, invalid_scope: it says no more",
            ),
            (503, "<html>".to_owned(), "it answered 503 without a token"),
            (302, String::new(), "it answered 302 without a token"),
            (200, "{}".to_owned(), "its answer holds no access_token"),
            (200, r#"{"access_token":"token-0","token_type":"mac"}"#.to_owned(), "of the type `mac`"),
            (200, format!(r#"{{"access_token":"{}"}}"#, "t".repeat(70_000)), "larger than 65536 bytes"),
        ];
        for (number, (status, body, expected)) in cases.into_iter().enumerate() {
            let tokens = Server::plain(move |_| answer(status, body.clone())).await;
            let secret = secret_file(&format!("oauth-error-{number}"), SECRET);
            let settings = with_oauth2(&system, client(&tokens, &secret, ClientAuthentication::Basic));
            let gateway = Rc::new(Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap());
            let ask = |gateway: Rc<Gateway>| async move { perform(&gateway, &request("GET", "/x")).await };
            let all: Vec<_> = (0..4).map(|_| spawn_local(ask(Rc::clone(&gateway)))).collect();
            for response in all {
                let failure = response.await.unwrap().unwrap_err();
                let Failure::Connection(why) = &failure else { panic!("{failure}") };
                let begin = format!("fetching an access token from http://{}/token: ", tokens.address);
                assert!(why.starts_with(&begin) && why.contains(expected), "{why}");
                assert!(!why.contains(SECRET), "{why}");
            }
            assert_eq!(tokens.seen.borrow().len(), 1, "those who wait share the failure");
        }
        assert_eq!(system.accepted.get(), 0);
    })
    .await;
}

#[tokio::test]
async fn the_token_endpoint_is_dialled_by_the_same_rules() {
    local(async {
        let (tokens, system) = (tokens(60).await, system("token-1").await);
        let secret = secret_file("oauth-dial", SECRET);
        let client = client(&tokens, &secret, ClientAuthentication::Basic);
        let own = Egress { allow_networks: Vec::new(), ..with_oauth2(&system, client) };
        let failure = perform(
            &Gateway::new(&own, Mask::default(), &std::env::temp_dir()).unwrap(),
            &request("GET", "/x"),
        )
        .await
        .unwrap_err();
        let Failure::NotAllowed(why) = &failure else { panic!("{failure}") };
        assert!(why.starts_with("fetching an access token") && why.contains("(loopback)"), "{why}");
        // What the host may ask there, the plugin may not.
        let url = format!("http://{}/token", tokens.address);
        let gateway = Gateway::new(
            &Egress { allow_networks: own.allow_networks.clone(), ..own },
            Mask::default(),
            &std::env::temp_dir(),
        );
        let failure = perform(&gateway.unwrap(), &request("POST", &url)).await.unwrap_err();
        assert!(matches!(failure, Failure::NotAllowed(_)), "{failure}");
        assert_eq!((tokens.accepted.get(), system.accepted.get()), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_was_rotated_is_used_as_soon_as_the_old_one_is_refused() {
    local(async {
        let system = system("second-one").await;
        let file = secret_file("rotated-on-401", "first-one");
        let credential = Some(Credential::Bearer(SecretRef::File(file.path.clone())));
        let settings = Egress { credential, ..settings(&format!("http://{}", system.address)) };
        let gateway = Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap();
        assert_eq!(perform(&gateway, &request("GET", "/x")).await.unwrap().status, 401);
        assert_eq!(system.seen.borrow().len(), 1, "there is no other to try");
        std::fs::write(&file.path, "second-one").unwrap();
        for _ in 0..2 {
            assert_eq!(perform(&gateway, &request("GET", "/x")).await.unwrap().status, 200);
        }
        // Refused first with the old one, unless a second has passed meanwhile.
        assert!(matches!(system.seen.borrow().len(), 3 | 4));
    })
    .await;
}

#[tokio::test]
async fn what_was_on_its_way_when_a_key_was_rotated_is_signed_anew_whoever_has_noticed() {
    local(async {
        let old = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        // Of another length: times of files may be too coarse to tell them apart.
        let new = "whsec_bGlhaXNvbiBzY2VuYXJpb3Mgc2VjcmV0cw==";
        let file = secret_file("signed-on-its-way", old);
        let path = file.path.clone();
        // The receiver takes another key from the first request on, and so does who sends.
        let server = Server::plain(move |seen| {
            std::fs::write(&path, new).unwrap();
            let verified = standardwebhooks::Webhook::new(new).unwrap().verify(&seen.body, &seen.headers);
            answer(if verified.is_ok() { 200 } else { 403 }, "")
        })
        .await;
        let credential = Credential::StandardWebhooks(vec![SecretRef::File(file.path.clone())]);
        let settings =
            Egress { credential: Some(credential), ..settings(&format!("http://{}", server.address)) };
        let gateway = Rc::new(Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap());
        let headers = vec![("webhook-id".to_owned(), "k1".to_owned())];
        let post = HttpRequest { headers, ..request("POST", "/x") };
        let ask = |gateway: Rc<Gateway>, post: HttpRequest| async move { perform(&gateway, &post).await };
        let all: Vec<_> = (0..8).map(|_| spawn_local(ask(gateway.clone(), post.clone()))).collect();
        for response in all {
            assert_eq!(response.await.unwrap().unwrap().status, 200);
        }
    })
    .await;
}

/// Echoed in a header, a body and JSON: the guest is given none of it, and neither is a kept body changed.
#[tokio::test]
async fn no_secret_that_a_system_echoes_enters_a_guest() {
    local(async {
        let server = Server::plain(|seen| {
            let sent = seen.header("authorization").unwrap_or_default();
            let mut response: Response<Full<Bytes>> = answer(403, format!("you sent {sent}"));
            response.headers_mut().insert("x-sent", sent.parse().unwrap());
            response
        })
        .await;
        let file = secret_file("echo", "hush-hush");
        let credential = Some(Credential::Bearer(SecretRef::File(file.path.clone())));
        let settings = Egress { credential, ..settings(&format!("http://{}", server.address)) };
        let gateway = Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap();
        let response = perform(&gateway, &request("GET", "/x")).await.unwrap();
        assert_eq!(response.status, StatusCode::FORBIDDEN.as_u16());
        assert_eq!(
            (&response.body[..], &response.headers["x-sent"]),
            (&b"you sent Bearer [secret]"[..], &"Bearer [secret]".parse().unwrap())
        );
        let kept = HttpRequest { keep_body: true, ..request("GET", "/x") };
        let response = perform(&gateway, &kept).await.unwrap();
        let Some(Kept { content: Content::Memory(content), .. }) = response.kept else {
            panic!("{response:?}")
        };
        assert_eq!(content, "you sent Bearer hush-hush");
    })
    .await;
}

/// A CA, and a certificate that it signed with its key.
fn certificates() -> (rustls::pki_types::CertificateDer<'static>, [(String, String); 2]) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let pairs = ["one", "two"].map(|name| {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        (certificate.pem(), key.serialize_pem())
    });
    (ca.der().clone(), pairs)
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_endpoint_alone() {
    local(async {
        let (ca, [(certificate, key), (other, _)]) = certificates();
        let (asked, other_asked) = (Server::mutual(ca.clone()).await, Server::mutual(ca).await);
        let ca_file = secret_file("mutual-ca", CA);
        let files = [secret_file("mutual-certificate", &certificate), secret_file("mutual-key", &key)];
        let reference = |file: &SecretFile| SecretRef::File(file.path.clone());
        let url = |server: &Server| format!("https://localhost:{}", server.address.port());
        let client = ClientCertificate { certificate: reference(&files[0]), key: reference(&files[1]) };
        let own = Egress {
            client_certificate: Some(client.clone()),
            ca_file: Some(ca_file.path.clone()),
            allow: vec![Grant::all(Url::parse(&url(&other_asked)).unwrap().origin())],
            ..settings(&url(&asked))
        };
        let gateway = Gateway::new(&own, Mask::default(), &std::env::temp_dir()).unwrap();
        assert_eq!(perform(&gateway, &request("GET", "/x")).await.unwrap().status, 200);
        let failure = perform(&gateway, &request("GET", &url(&other_asked))).await.unwrap_err();
        assert!(matches!(&failure, Failure::Connection(_)), "{failure}");
        assert_eq!((asked.seen.borrow().len(), other_asked.seen.borrow().len()), (1, 0));

        std::fs::write(&files[0].path, other).unwrap();
        let message = Gateway::new(&own, Mask::default(), &std::env::temp_dir()).unwrap_err().to_string();
        assert!(message.contains("they do not belong together"), "{message}");
        std::fs::write(&files[0].path, "nothing").unwrap();
        let message = Gateway::new(&own, Mask::default(), &std::env::temp_dir()).unwrap_err().to_string();
        assert!(message.contains("there is no certificate"), "{message}");
    })
    .await;
}
