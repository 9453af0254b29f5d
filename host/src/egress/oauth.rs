//! Access tokens by OAuth 2.0's client credentials grant (RFC 6749, 4.4): fetched through the same checks as any request
//! of the connector, kept until shortly before they expire, and fetched anew once one is refused.
//!
//! One fetch at a time: those who need the token meanwhile wait for it and share its failure. A plugin never sees the
//! token, and cannot ask the token endpoint unless that is granted to it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::credential::{basic, sensitive};
use super::dial::{Dialer, Names};
use super::exchange::{Intake, Received, ReceivedBody};
use super::message::{Message, USER_AGENT_VALUE};
use super::origin::{Grants, OriginIndex};
use super::outgoing::Outgoing;
use super::pool::{Pool, Protocol};
use super::{EgressError, LONGEST};
use crate::config::mask::Mask;
use crate::config::secret::{Secret, Watched};
use crate::config::{ClientAuthentication, Egress, OAuth2Client};
use crate::contract::Failure;

/// The largest reply of a token endpoint; tokens with many claims take some KiB.
const MAX_REPLY_BYTES: u64 = 64 * 1024;
/// A token is fetched anew so long before it expires, or a fifth of its life if that is less.
const MARGIN: Duration = Duration::from_secs(30);
/// How much of what a token endpoint says of an error is repeated, in characters.
const QUOTED_CHARACTERS: usize = 200;

/// Where one connector gets its access tokens.
pub(super) struct TokenSource {
    client: OAuth2Client,
    secret: RefCell<Watched>,
    mask: Mask,
    pool: Rc<Pool>,
    token: RefCell<Option<Token>>,
    fetching: Mutex<()>,
    failures: Cell<u64>,
    last_failure: RefCell<Option<Failure>>,
}

struct Token {
    /// `Bearer …`
    value: HeaderValue,
    /// `None`: until it is refused.
    until: Option<Instant>,
}

/// What a token endpoint answers (RFC 6749, 5.1 and 5.2).
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    token_type: Option<String>,
    /// In seconds; some write it as text.
    expires_in: Option<serde_json::Value>,
    error: Option<String>,
    error_description: Option<String>,
}

impl TokenSource {
    /// Reads the client's secret. Connects to nothing.
    pub(super) fn new(client: &OAuth2Client, settings: &Egress, mask: Mask) -> Result<Self, EgressError> {
        let secret = Watched::read(&client.secret)?;
        mask.learn_password(&client.id, secret.secret());
        let mut endpoint = client.token_url.clone();
        endpoint.set_query(None);
        let own = Egress {
            endpoint,
            credential: None,
            client_certificate: None,
            allow: Vec::new(),
            ..settings.clone()
        };
        let grants = Grants::new(&own)?;
        let dialer = Dialer {
            allow_networks: own.allow_networks,
            connect_timeout: own.connect_timeout,
            names: Names::System,
        };
        Ok(Self {
            client: client.clone(),
            secret: RefCell::new(secret),
            mask,
            pool: Pool::new(grants, dialer.into(), own.idle_timeout.min(LONGEST)),
            token: RefCell::new(None),
            fetching: Mutex::new(()),
            failures: Cell::new(0),
            last_failure: RefCell::new(None),
        })
    }

    /// The token that holds now.
    pub(super) async fn current(&self) -> Result<HeaderValue, Failure> {
        let now = Instant::now();
        self.cached_or_fetched(|token| token.until.is_none_or(|until| now < until)).await
    }

    /// Another one than this, which was refused.
    pub(super) async fn other_than(&self, refused: &HeaderValue) -> Result<HeaderValue, Failure> {
        self.cached_or_fetched(|token| token.value != *refused).await
    }

    async fn cached_or_fetched(&self, is_good: impl Fn(&Token) -> bool) -> Result<HeaderValue, Failure> {
        let cached =
            || self.token.borrow().as_ref().filter(|token| is_good(token)).map(|token| token.value.clone());
        if let Some(value) = cached() {
            return Ok(value);
        }
        let failures_before = self.failures.get();
        let _fetching = self.fetching.lock().await;
        if let Some(value) = cached() {
            return Ok(value);
        }
        if self.failures.get() != failures_before
            && let Some(failure) = &*self.last_failure.borrow()
        {
            return Err(failure.clone());
        }
        match self.fetch().await {
            Ok(token) => {
                let value = token.value.clone();
                self.token.replace(Some(token));
                Ok(value)
            }
            Err(failure) => {
                self.failures.set(self.failures.get() + 1);
                self.last_failure.replace(Some(failure.clone()));
                Err(failure)
            }
        }
    }

    async fn fetch(&self) -> Result<Token, Failure> {
        let begin = Instant::now();
        self.follow_secret(begin);
        let message = self.request()?;
        let intake = Intake::Memory { max_bytes: MAX_REPLY_BYTES };
        let reply = self.pool.exchange(OriginIndex::ENDPOINT, message, Protocol::Any, &intake).await;
        let reply = reply.map_err(|failure| match failure {
            Failure::NotAllowed(why) => Failure::NotAllowed(self.failed(&why)),
            Failure::Connection(why) => self.unusable(&why),
            other => self.unusable(&other.to_string()),
        })?;
        self.read(&reply, begin)
    }

    /// The client's secret may have been rotated since the last token.
    fn follow_secret(&self, now: Instant) {
        let mut secret = self.secret.borrow_mut();
        if secret.refresh_now(now) {
            self.mask.learn_password(&self.client.id, secret.secret());
        }
    }

    fn request(&self) -> Result<Message, Failure> {
        let query = self.client.token_url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let target = self.pool.grants.target(&Method::POST, &query)?;
        let secret = self.secret.borrow();
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        for (name, value) in [("scope", &self.client.scope), ("audience", &self.client.audience)] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        if self.client.authentication == ClientAuthentication::Body {
            form.append_pair("client_id", &self.client.id);
            form.append_pair("client_secret", secret.secret().expose());
        }
        let mut message = Request::new(Outgoing::from(Bytes::from(form.finish())));
        *message.method_mut() = Method::POST;
        *message.uri_mut() = target.path.into();
        let headers = message.headers_mut();
        headers.insert(HOST, self.pool.grants.origin(OriginIndex::ENDPOINT).host_header.clone());
        headers.insert(USER_AGENT, USER_AGENT_VALUE);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if self.client.authentication == ClientAuthentication::Basic {
            // Both are encoded as in a form before they are a user and a password (RFC 6749, 2.3.1).
            let encoded = |text: &str| -> String { byte_serialize(text.as_bytes()).collect() };
            let password = Secret::new(encoded(secret.secret().expose()));
            let id = encoded(&self.client.id);
            self.mask.learn_password(&id, &password);
            let value = sensitive(basic(&id, &password));
            headers.insert(AUTHORIZATION, value.expect("base64 is made of letters that a header may carry"));
        }
        Ok(message)
    }

    fn read(&self, reply: &Received, begin: Instant) -> Result<Token, Failure> {
        let status = reply.status;
        let answer: Option<Answer> = match &reply.body {
            ReceivedBody::Memory(body) => serde_json::from_slice(body).ok(),
            ReceivedBody::Kept(_) => None,
        };
        if let Some(Answer { error: Some(error), error_description, .. }) = &answer {
            let description = error_description.as_deref().unwrap_or("it says no more");
            let quoted: String = description.chars().take(QUOTED_CHARACTERS).collect();
            return Err(self.unusable(&format!("it answered {}, {error}: {quoted}", status.as_u16())));
        }
        let Some(answer) = answer.filter(|_| status.is_success()) else {
            return Err(self.unusable(&format!("it answered {} without a token", status.as_u16())));
        };
        let Some(token) = answer.access_token.filter(|token| !token.is_empty()) else {
            return Err(self.unusable("its answer holds no access_token"));
        };
        self.mask.learn(&Secret::new(token.clone()));
        let kind = answer.token_type.unwrap_or_default();
        if !kind.eq_ignore_ascii_case("bearer") {
            return Err(self.unusable(&format!("its token is of the type `{kind}`; only bearer is known")));
        }
        let Some(value) = sensitive(format!("Bearer {token}")) else {
            return Err(self.unusable("its token holds a character that no header may carry"));
        };
        let life = answer.expires_in.as_ref().and_then(seconds);
        Ok(Token { value, until: life.map(|life| begin + life - MARGIN.min(life / 5)) })
    }

    /// As a connection that failed: nothing was asked of the system itself, and trying again may help.
    fn unusable(&self, why: &str) -> Failure {
        Failure::Connection(self.failed(why))
    }

    fn failed(&self, why: &str) -> String {
        let mut url = self.client.token_url.clone();
        url.set_query(None);
        let mut text = format!("fetching an access token from {url}: {why}");
        self.mask.text(&mut text);
        text
    }
}

/// At most a day: then it is fetched anew whatever it says.
fn seconds(value: &serde_json::Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok().map(|life| life.min(LONGEST))
}
