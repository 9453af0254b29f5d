//! How an older connector shows who it is, as `credential` of today. A connector has one.

use serde_json::Value;
use toml::{Table, Value as Toml};

use crate::cli::import::endpoint::Address;
use crate::cli::import::older::plain;
use crate::cli::import::report::Report;
use crate::cli::import::secrets::Variables;

/// The members that speak of credentials.
#[derive(Debug, Default)]
pub(super) struct Credentials<'a> {
    members: Vec<(&'static str, &'a str, &'a Value)>,
}

/// Each member by its plain name, with what it is here.
const KNOWN: [(&str, &str); 22] = [
    ("authtoken", TOKEN),
    ("token", TOKEN),
    ("accesstoken", TOKEN),
    ("bearertoken", TOKEN),
    ("apikey", API_KEY),
    ("apikeyheader", API_KEY_HEADER),
    ("apikeyname", API_KEY_HEADER),
    ("username", USERNAME),
    ("user", USERNAME),
    ("login", USERNAME),
    ("password", PASSWORD),
    ("pass", PASSWORD),
    ("clientid", CLIENT_ID),
    ("clientsecret", CLIENT_SECRET),
    ("tokenurl", TOKEN_URL),
    ("tokenendpoint", TOKEN_URL),
    ("scope", SCOPE),
    ("scopes", SCOPE),
    ("accesskeyid", ACCESS_KEY_ID),
    ("accesskey", ACCESS_KEY_ID),
    ("secretaccesskey", SECRET_ACCESS_KEY),
    ("region", REGION),
];

const TOKEN: &str = "token";
const API_KEY: &str = "api-key";
const API_KEY_HEADER: &str = "api-key-header";
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
const CLIENT_ID: &str = "client-id";
const CLIENT_SECRET: &str = "client-secret";
const TOKEN_URL: &str = "token-url";
const SCOPE: &str = "scope";
const ACCESS_KEY_ID: &str = "access-key-id";
const SECRET_ACCESS_KEY: &str = "secret-access-key";
const REGION: &str = "region";

/// Where the secrets of one connector come from and go to.
struct Places<'a> {
    connector: &'a str,
    from: &'a str,
    table: &'a str,
    variables: &'a mut Variables,
    report: &'a mut Report,
}

impl<'a> Credentials<'a> {
    /// Takes a member that speaks of a credential; `false` for any other.
    pub(super) fn take(&mut self, member: &'a str, value: &'a Value) -> bool {
        let name = plain(member);
        let Some(&(_, known)) = KNOWN.iter().find(|(known, _)| *known == name) else { return false };
        self.members.push((known, member, value));
        true
    }

    /// The one that they make; what is left over is reported.
    pub(super) fn map(
        mut self,
        connector: &str,
        address: &Address,
        (from, table): (&str, &str),
        variables: &mut Variables,
        report: &mut Report,
    ) -> Option<Toml> {
        let mut places = Places { connector, from, table, variables, report };
        let made = [Self::bearer, Self::oauth2, Self::aws, Self::header]
            .iter()
            .find_map(|make| make(&mut self, &mut places));
        let made = made.or_else(|| self.basic(address, &mut places));
        for (_, member, _) in &self.members {
            let text = "belongs to no credential that is whole, or to a second one, and a connector has one";
            places.report.unmapped_member(&format!("{from}.{member}"), text);
        }
        let is_whole = made.as_ref().is_some_and(|made| made.get("basic").is_some());
        if (address.has_password || address.username.is_some()) && !is_whole {
            let text = "a user or password in the address was left out: a connector has one credential";
            places.report.unmapped_member(from, text);
        }
        made
    }

    fn bearer(&mut self, places: &mut Places<'_>) -> Option<Toml> {
        let (member, value) = self.remove(TOKEN)?;
        let secret = places.secret(member, value, "credential.bearer")?;
        Some(table([("bearer", secret)]))
    }

    fn oauth2(&mut self, places: &mut Places<'_>) -> Option<Toml> {
        if ![CLIENT_ID, CLIENT_SECRET, TOKEN_URL].iter().all(|known| self.has(known)) {
            return None;
        }
        let url = self.text(TOKEN_URL, places)?;
        let id = self.text(CLIENT_ID, places)?;
        let (member, value) = self.remove(CLIENT_SECRET)?;
        let secret = places.secret(member, value, "credential.oauth2.client-secret")?;
        let scope = if self.has(SCOPE) { self.text(SCOPE, places) } else { None };
        let mut client =
            vec![("token-url", Toml::from(url)), ("client-id", Toml::from(id)), ("client-secret", secret)];
        client.extend(scope.map(|scope| ("scope", Toml::from(scope))));
        Some(table([("oauth2", table(client))]))
    }

    fn aws(&mut self, places: &mut Places<'_>) -> Option<Toml> {
        if ![ACCESS_KEY_ID, SECRET_ACCESS_KEY, REGION].iter().all(|known| self.has(known)) {
            return None;
        }
        let region = self.text(REGION, places)?;
        let (member, value) = self.remove(ACCESS_KEY_ID)?;
        let id = places.secret(member, value, "credential.aws.access-key-id")?;
        let (member, value) = self.remove(SECRET_ACCESS_KEY)?;
        let key = places.secret(member, value, "credential.aws.secret-access-key")?;
        let to = format!("{}.credential.aws.service", places.table);
        places.report.look(places.from, &to, "the older file names none; see whether s3 is right");
        let keys = [
            ("access-key-id", id),
            ("secret-access-key", key),
            ("region", region.into()),
            ("service", "s3".into()),
        ];
        Some(table([("aws", table(keys))]))
    }

    fn header(&mut self, places: &mut Places<'_>) -> Option<Toml> {
        let (member, value) = self.remove(API_KEY)?;
        let name = if self.has(API_KEY_HEADER) { self.text(API_KEY_HEADER, places) } else { None };
        let name = name.unwrap_or_else(|| {
            let to = format!("{}.credential.header.name", places.table);
            places.report.look(
                &format!("{}.{member}", places.from),
                &to,
                "the older file names no header; see whether X-Api-Key is right",
            );
            "X-Api-Key".to_owned()
        });
        let secret = places.secret(member, value, "credential.header.value")?;
        Some(table([("header", table([("name", name.into()), ("value", secret)]))]))
    }

    fn basic(&mut self, address: &Address, places: &mut Places<'_>) -> Option<Toml> {
        let username =
            if self.has(USERNAME) { self.text(USERNAME, places) } else { address.username.clone() }?;
        let secret = if let Some((member, value)) = self.remove(PASSWORD) {
            places.secret(member, value, "credential.basic.password")?
        } else if address.has_password {
            places.secret_of_address("credential.basic.password")?
        } else {
            places.report.unmapped_member(
                places.from,
                "has a user without a password, which no credential can be made of",
            );
            return None;
        };
        Some(table([("basic", table([("username", username.into()), ("password", secret)]))]))
    }

    fn has(&self, known: &str) -> bool {
        self.members.iter().any(|(name, ..)| *name == known)
    }

    fn remove(&mut self, known: &str) -> Option<(&'a str, &'a Value)> {
        let place = self.members.iter().position(|(name, ..)| *name == known)?;
        let (_, member, value) = self.members.remove(place);
        Some((member, value))
    }

    /// A member that is no secret.
    fn text(&mut self, known: &str, places: &mut Places<'_>) -> Option<String> {
        let (member, value) = self.remove(known)?;
        let from = format!("{}.{member}", places.from);
        let Some(text) = value.as_str().map(str::trim).filter(|text| !text.is_empty()) else {
            places.report.unmapped_member(&from, "is no text, or an empty one");
            return None;
        };
        places.report.mapped(&from, &format!("{}.credential", places.table));
        Some(text.to_owned())
    }
}

impl Places<'_> {
    /// The password that an address holds.
    fn secret_of_address(&mut self, key: &str) -> Option<Toml> {
        let from = format!("{}, the password in its address", self.from);
        let (value, to) = (Value::from("there"), format!("{}.{key}", self.table));
        let variable = self.variables.take(self.connector, "password", &value, (&from, &to), self.report)?;
        Some(table([("env", variable.into())]))
    }

    /// `{ env = "NAME" }`.
    fn secret(&mut self, member: &str, value: &Value, key: &str) -> Option<Toml> {
        let (from, to) = (format!("{}.{member}", self.from), format!("{}.{key}", self.table));
        let variable = self.variables.take(self.connector, member, value, (&from, &to), self.report)?;
        Some(table([("env", variable.into())]))
    }
}

fn table(keys: impl IntoIterator<Item = (&'static str, Toml)>) -> Toml {
    Toml::Table(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Table>())
}
