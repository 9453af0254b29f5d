//! Who may send what, and where it goes: the configuration's clients and routes, ready to be asked.
//!
//! A reload puts other rules in the place of these; a request that is at work ends by those that it began with.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use http::{HeaderMap, StatusCode, header};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::IntakeError;
use super::answer::Problem;
use super::request::only;
use super::tokens::Tokens;
use crate::config::secret::bearer;
use crate::config::{Client, ClientName, Intake, Plain, Route, Subscription, SubscriptionName, json_schema};
use crate::event::Incoming;
use crate::whereabouts::Known;

/// What is wrong with one event's data by its schema: so many places are named.
const NAMED: usize = 10;
/// And of each so much is said: it may hold the data.
const SAID_BYTES: usize = 300;

/// The rules that hold now. Clones are the same book.
#[derive(Debug, Clone, Default)]
pub struct Rulebook(Arc<RwLock<Arc<Rules>>>);

impl Rulebook {
    /// From now on these hold.
    pub fn follow(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    pub(super) fn now(&self) -> Arc<Rules> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Without any nobody may send anything.
#[derive(Debug, Default)]
pub struct Rules {
    clients: Vec<KnownClient>,
    tokens: Tokens,
    routes: Vec<KnownRoute>,
    pub(super) plain: Plain,
    /// Each subscription with the topics that it reads.
    readers: Vec<(SubscriptionName, Vec<String>)>,
}

/// Somebody who may send.
#[derive(Debug)]
pub(super) struct KnownClient {
    pub(super) name: ClientName,
    settings: Client,
}

#[derive(Debug)]
struct KnownRoute {
    settings: Route,
    schema: Option<Validator>,
}

impl Rules {
    /// Reads the tokens and the schemas.
    ///
    /// # Errors
    /// When one of them cannot be used, or two clients have the same token.
    pub fn new(
        settings: &Intake,
        subscriptions: &BTreeMap<SubscriptionName, Subscription>,
    ) -> Result<Self, IntakeError> {
        let tokens = Tokens::read(&settings.clients)?;
        let clients = settings.clients.iter();
        let clients =
            clients.map(|(name, settings)| KnownClient { name: name.clone(), settings: settings.clone() });
        let clients = clients.collect();
        let route = |settings: &Route| {
            let schema = settings.schema.as_deref().map(json_schema::read).transpose();
            Ok(KnownRoute { settings: settings.clone(), schema: schema.map_err(IntakeError::Schema)? })
        };
        let routes = settings.routes.iter().map(route).collect::<Result<_, IntakeError>>()?;
        let readers = subscriptions.iter().map(|(name, settings)| (name.clone(), settings.topics.clone()));
        Ok(Self { clients, tokens, routes, plain: settings.plain.clone(), readers: readers.collect() })
    }

    /// Whose token the request shows.
    pub(super) fn admit(&self, headers: &HeaderMap, now: Instant) -> Result<&KnownClient, Problem> {
        let shown = only(headers, &header::AUTHORIZATION)?.and_then(|shown| bearer(shown.as_bytes()));
        let owner = shown.and_then(|shown| self.tokens.owner(shown, now));
        owner.and_then(|owner| self.clients.get(owner)).ok_or_else(|| {
            let detail = "show the token of one of [intake.clients]: `Authorization: Bearer …`";
            let problem = Problem::new(StatusCode::UNAUTHORIZED, detail);
            problem.header(header::WWW_AUTHENTICATE, "Bearer realm=\"liaison\"")
        })
    }

    /// Where this client's event goes, and by which key.
    pub(super) fn place(
        &self,
        client: &KnownClient,
        incoming: &Incoming,
    ) -> Result<(&str, Option<bytes::Bytes>), Problem> {
        let kind = &incoming.event.kind;
        let forbidden = |detail: String| Problem::new(StatusCode::FORBIDDEN, detail);
        if !client.settings.types.have(kind) {
            return Err(forbidden(format!("client {} may not send events of type `{kind}`", client.name)));
        }
        let route = self.routes.iter().find(|route| route.settings.types.have(kind)).ok_or_else(|| {
            let detail = format!("events of type `{kind}` have no topic here: see [[intake.routes]]");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        })?;
        let topic = &route.settings.topic;
        if client.settings.topics.as_ref().is_some_and(|topics| !topics.contains(topic)) {
            let detail =
                format!("client {} may not write to topic {topic}, where type `{kind}` goes", client.name);
            return Err(forbidden(detail));
        }
        if let Some(schema) = &route.schema {
            check(schema, incoming)?;
        }
        Ok((topic, incoming.key(&route.settings.key)))
    }

    /// The subscriptions that read one of the topics.
    pub(super) fn readers_of<'a>(&'a self, topics: &[&str]) -> impl Iterator<Item = &'a SubscriptionName> {
        let reads = move |read: &&'a (SubscriptionName, Vec<String>)| {
            read.1.iter().any(|read| topics.contains(&read.as_str()))
        };
        self.readers.iter().filter(reads).map(|(name, _)| name)
    }
}

impl KnownClient {
    /// What it may be told of an event: what is of a type that it may send, and in the topics that it may write to.
    pub(super) fn seen(&self, known: Known) -> Option<Known> {
        if !self.settings.types.have(&known.kind) {
            return None;
        }
        match &self.settings.topics {
            Some(topics) => known.within(topics),
            None => Some(known),
        }
    }
}

/// Checks the data; a tombstone has none.
fn check(schema: &Validator, incoming: &Incoming) -> Result<(), Problem> {
    let Some(data) = incoming.value.as_deref() else { return Ok(()) };
    let kind = &incoming.event.kind;
    let invalid = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let data: Value = serde_json::from_slice(data).map_err(|error| {
        invalid(format!("events of type `{kind}` have a schema, and this one's data is no JSON: {error}"))
    })?;
    let errors: Vec<_> = schema
        .iter_errors(&data)
        .take(NAMED)
        .map(|error| {
            let mut text = error.to_string();
            text.truncate(text.floor_char_boundary(SAID_BYTES));
            json!({ "pointer": error.instance_path().to_string(), "detail": text })
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(invalid(format!("the data is not what events of type `{kind}` must have: see `errors`"))
        .with("errors", json!(errors)))
}
