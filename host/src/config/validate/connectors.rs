//! Checks `[connectors]`: what each may reach, with which credential, and when it counts as down.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;
use url::Url;

use super::{Checker, databases, grants, plugins, secrets, set};
use crate::config::document::KeyPath;
use crate::config::settings::{
    AwsSettings, BatchSettings, BreakerSettings, ClientAuthenticationSetting, ClientCertificateSettings,
    ConnectorSettings, CredentialSettings, OAuth2Credential, PasswordTypeSetting, RateLimitSettings,
    SecretSettings, StandardWebhooksSettings, TextOrFalse, WsSecurityCredential,
};
use crate::config::{
    AwsCredential, Batch, Breaker, ClientAuthentication, ClientCertificate, Connector, ConnectorName,
    Credential, Egress, OAuth2Client, PasswordType, RateLimit, SecretRef, UsernameToken, defaults,
};

pub(super) fn connectors(
    settings: BTreeMap<String, ConnectorSettings>,
    checker: &mut Checker<'_>,
) -> BTreeMap<ConnectorName, Connector> {
    let checked = settings.into_iter().map(|(name, settings)| {
        let path = KeyPath::of(&["connectors", &name]);
        checker.name(&path, &name);
        (ConnectorName::new(&name), connector(&path, settings, checker))
    });
    checked.collect()
}

fn connector(path: &KeyPath, mut settings: ConnectorSettings, checker: &mut Checker<'_>) -> Connector {
    let plugin = plugins::plugin_name(path, settings.plugin.take(), checker);
    let files = std::mem::take(&mut settings.settings_files);
    let own = plugins::own_settings(path, std::mem::take(&mut settings.settings), files, checker);
    let mut connector = Connector::new(plugin, endpoint(path, settings.endpoint.take(), checker));
    connector.settings = own;
    connector.batch = settings.batch.take().map(|settings| batch(&path.key("batch"), &settings, checker));
    concurrency(path, &settings, &mut connector, checker);
    connector.rate_limit = settings
        .rate_limit
        .take()
        .and_then(|settings| rate_limit(&path.key("rate-limit"), &settings, checker));
    breaker(&path.key("breaker"), &settings.breaker, &mut connector.breaker, checker);
    egress(path, settings, &mut connector.egress, checker);
    connector
}

/// The endpoint; where it is wrong, some other, so that the checks go on.
fn endpoint(path: &KeyPath, text: Option<String>, checker: &mut Checker<'_>) -> Url {
    let path = path.key("endpoint");
    let text = checker.required(&path, text, "write the external system's address");
    let url = text.and_then(|text| match databases::url(&text) {
        Some(url) => databases::endpoint(&path, url, checker),
        None => checker.http_url(&path, &text),
    });
    if url.as_ref().is_some_and(|url| url.query().is_some()) {
        checker.mistake(
            &path,
            "must hold no query (`?…`), which a request's own path cannot follow; leave it to the plugin",
        );
    }
    url.unwrap_or_else(|| Url::parse("https://invalid/").expect("an address"))
}

fn egress(path: &KeyPath, mut settings: ConnectorSettings, egress: &mut Egress, checker: &mut Checker<'_>) {
    databases::database(path, &mut settings, egress, checker);
    egress.credential =
        settings.credential.and_then(|settings| credential(&path.key("credential"), settings, checker));
    if egress.credential.is_some() && egress.endpoint.scheme() == "http" {
        checker
            .warning(&path.key("endpoint"), "the credential travels as plain text; use https outside a test");
    }
    egress.client_certificate = settings.client_certificate.and_then(|settings| {
        client_certificate(&path.key("client-certificate"), settings, &egress.endpoint, checker)
    });
    let allow = path.key("allow");
    let granted = settings.allow.into_iter().enumerate();
    egress.allow = granted
        .filter_map(|(index, settings)| grants::grant(&allow.index(index), settings, checker))
        .collect();
    let allow = path.key("allow-networks");
    let networks = settings.allow_networks.iter().enumerate();
    egress.allow_networks =
        networks.filter_map(|(index, text)| network(&allow.index(index), text, checker)).collect();
    checker.not_zero(&path.key("connect-timeout"), settings.connect_timeout);
    checker.not_zero(&path.key("idle-timeout"), settings.idle_timeout);
    set(&mut egress.connect_timeout, settings.connect_timeout);
    set(&mut egress.idle_timeout, settings.idle_timeout);
    set(&mut egress.max_reply_bytes, settings.max_reply);
    set(&mut egress.max_kept_reply_bytes, settings.max_kept_reply);
    match settings.idempotency_header {
        None => {}
        Some(TextOrFalse::False) => egress.idempotency_header = None,
        Some(TextOrFalse::Text(name)) => {
            egress.idempotency_header = header_name(&path.key("idempotency-header"), &name, checker);
        }
    }
    set(&mut egress.idempotency_quoted, settings.idempotency_quoted);
    egress.ca_file =
        settings.ca_file.map(|file| secrets::certificate_file(&path.key("ca-file"), &file, checker));
}

fn credential(path: &KeyPath, settings: CredentialSettings, checker: &mut Checker<'_>) -> Option<Credential> {
    match settings {
        CredentialSettings::Bearer(secret) => {
            Some(Credential::Bearer(secrets::secret(&path.key("bearer"), secret, checker)))
        }
        CredentialSettings::Basic(basic) => {
            let path = path.key("basic");
            let username = checker.required(&path.key("username"), basic.username, "write the user's name");
            if username.as_ref().is_some_and(|name| name.contains(':')) {
                checker.mistake(&path.key("username"), "must hold no colon (RFC 7617)");
            }
            let password = secrets::required_secret(&path.key("password"), basic.password, checker);
            Some(Credential::Basic { username: username?, password: password? })
        }
        CredentialSettings::Header(header) => {
            let path = path.key("header");
            let name = checker.required(&path.key("name"), header.name, "write the header's name");
            let name = name.and_then(|name| header_name(&path.key("name"), &name, checker));
            let value = secrets::required_secret(&path.key("value"), header.value, checker);
            Some(Credential::Header { name: name?, value: value? })
        }
        CredentialSettings::Oauth2(client) => {
            oauth2(&path.key("oauth2"), client, checker).map(Credential::OAuth2)
        }
        CredentialSettings::Aws(keys) => aws(&path.key("aws"), keys, checker).map(Credential::Aws),
        CredentialSettings::WsSecurity(token) => {
            ws_security(&path.key("ws-security"), token, checker).map(Credential::WsSecurity)
        }
        CredentialSettings::StandardWebhooks(keys) => {
            standard_webhooks(&path.key("standard-webhooks"), keys, checker).map(Credential::StandardWebhooks)
        }
    }
}

fn standard_webhooks(
    path: &KeyPath,
    settings: StandardWebhooksSettings,
    checker: &mut Checker<'_>,
) -> Option<Vec<SecretRef>> {
    let key = path.key("secret");
    let secret = checker.required(&key, settings.secret, "write { env = \"…\" } or { file = \"…\" }");
    let secret = secret.map(|secret| secrets::webhook_secret(&key, secret, checker));
    let further = path.key("further-secrets");
    let others = settings.further_secrets.into_iter().enumerate();
    let others: Vec<_> =
        others.map(|(index, other)| secrets::webhook_secret(&further.index(index), other, checker)).collect();
    Some(std::iter::once(secret?).chain(others).collect())
}

fn aws(path: &KeyPath, settings: AwsSettings, checker: &mut Checker<'_>) -> Option<AwsCredential> {
    let id = secrets::required_secret(&path.key("access-key-id"), settings.access_key_id, checker);
    let key = secrets::required_secret(&path.key("secret-access-key"), settings.secret_access_key, checker);
    let token = path.key("session-token");
    let session_token = settings.session_token.map(|secret| secrets::secret(&token, secret, checker));
    let mut name = |key: &str, text, mend| {
        let path = path.key(key);
        let text: Option<String> = checker.required(&path, text, mend);
        if text.as_ref().is_some_and(|text| text.is_empty() || text.contains(['/', ' '])) {
            checker.mistake(&path, format!("is no name; {mend}"));
        }
        text
    };
    let region = name("region", settings.region, "write such as \"eu-central-1\"");
    let service = name("service", settings.service, "write such as \"s3\"");
    let (access_key_id, secret_access_key) = (id?, key?);
    Some(AwsCredential {
        access_key_id,
        secret_access_key,
        session_token,
        region: region?,
        service: service?,
    })
}

fn ws_security(
    path: &KeyPath,
    settings: WsSecurityCredential,
    checker: &mut Checker<'_>,
) -> Option<UsernameToken> {
    let username = checker.required(&path.key("username"), settings.username, "write the user's name");
    let password = secrets::required_secret(&path.key("password"), settings.password, checker);
    let password_type = match settings.password_type {
        None | Some(PasswordTypeSetting::Text) => PasswordType::Text,
        Some(PasswordTypeSetting::Digest) => PasswordType::Digest,
    };
    let must_understand = settings.must_understand.unwrap_or(true);
    Some(UsernameToken { username: username?, password: password?, password_type, must_understand })
}

fn oauth2(path: &KeyPath, settings: OAuth2Credential, checker: &mut Checker<'_>) -> Option<OAuth2Client> {
    let key = path.key("token-url");
    let url = checker.required(&key, settings.token_url, "write the token endpoint's address");
    let token_url = url.and_then(|url| checker.http_url(&key, &url));
    if token_url.as_ref().is_some_and(|url| url.scheme() == "http") {
        checker.warning(&key, "the client's secret travels as plain text; use https outside a test");
    }
    let id = checker.required(&path.key("client-id"), settings.client_id, "write the client's identifier");
    let secret = secrets::required_secret(&path.key("client-secret"), settings.client_secret, checker);
    let authentication = match settings.client_authentication {
        None | Some(ClientAuthenticationSetting::Basic) => ClientAuthentication::Basic,
        Some(ClientAuthenticationSetting::Body) => ClientAuthentication::Body,
    };
    let (scope, audience) = (settings.scope, settings.audience);
    Some(OAuth2Client { token_url: token_url?, id: id?, secret: secret?, scope, audience, authentication })
}

fn client_certificate(
    path: &KeyPath,
    settings: ClientCertificateSettings,
    endpoint: &Url,
    checker: &mut Checker<'_>,
) -> Option<ClientCertificate> {
    if endpoint.scheme() == "http" {
        checker.mistake(path, "is shown in TLS, and the endpoint is http; make it https, or leave this out");
    }
    let mut one = |key: &str, settings: Option<SecretSettings>, kind| {
        let path = path.key(key);
        let settings = checker.required(&path, settings, "write { file = \"…\" }")?;
        Some(secrets::pem(&path, settings, kind, checker))
    };
    let certificate = one("certificate", settings.certificate, "CERTIFICATE");
    let key = one("key", settings.key, "PRIVATE KEY");
    Some(ClientCertificate { certificate: certificate?, key: key? })
}

fn header_name(path: &KeyPath, text: &str, checker: &mut Checker<'_>) -> Option<HeaderName> {
    let name = text.parse();
    if name.is_err() {
        checker.mistake(path, format!("`{text}` is not the name of a header; use letters, digits and `-`"));
    }
    name.ok()
}

/// A network such as `10.1.0.0/16`, or one address.
fn network(path: &KeyPath, text: &str, checker: &mut Checker<'_>) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address)),
        Err(_) => text.parse::<IpNet>().ok(),
    };
    let Some(network) = network else {
        let text = format!("`{text}` is not a network; write such as \"10.1.0.0/16\" or \"192.168.7.9\"");
        checker.mistake(path, text);
        return None;
    };
    if network.trunc() != network {
        let (all, one) = (network.trunc(), network.addr());
        checker.mistake(path, format!("`{text}` is one address of {all}; write \"{all}\" or \"{one}\""));
    }
    Some(network)
}

fn concurrency(
    path: &KeyPath,
    settings: &ConnectorSettings,
    connector: &mut Connector,
    checker: &mut Checker<'_>,
) {
    let batch = connector.batch.map(|batch| batch.events);
    let of_batches = batch.unwrap_or_default().saturating_mul(defaults::BATCHES_AT_WORK);
    connector.concurrency = connector.concurrency.max(of_batches);
    set(&mut connector.concurrency, settings.concurrency);
    // That many deliveries are few requests: fewer would be smaller batches, and not more of them.
    connector.concurrency_floor = batch.unwrap_or(defaults::CONCURRENCY_FLOOR).min(connector.concurrency);
    set(&mut connector.concurrency_floor, settings.concurrency_floor);
    let (floor, ceiling) = (connector.concurrency_floor, connector.concurrency);
    if let Some(events) = batch.filter(|events| *events > ceiling) {
        let text = format!("it is {events} and `concurrency` only {ceiling}; raise the latter");
        checker.mistake(&path.key("batch").key("events"), text);
    }
    if floor > ceiling {
        let text = format!("it is {floor} and `concurrency` only {ceiling}; raise the latter");
        checker.mistake(&path.key("concurrency-floor"), text);
    }
}

fn batch(path: &KeyPath, settings: &BatchSettings, checker: &mut Checker<'_>) -> Batch {
    let mut batch = Batch::default();
    set(&mut batch.events, settings.events);
    set(&mut batch.bytes, settings.bytes);
    checker.not_zero(&path.key("wait"), settings.wait);
    set(&mut batch.wait, settings.wait);
    batch
}

fn rate_limit(path: &KeyPath, settings: &RateLimitSettings, checker: &mut Checker<'_>) -> Option<RateLimit> {
    let key = path.key("requests-per-second");
    let mend = "write how many requests a second may be sent";
    let wanted = checker.required(&key, settings.requests_per_second, mend)?;
    if !(0.001..=1e6).contains(&wanted) {
        checker.mistake(&key, format!("{wanted} is not a rate; write a number from 0.001 to 1000000"));
        return None;
    }
    // Waits are a millisecond or more: a lively rate needs a burst to be reached.
    let mut burst = (wanted / 10.0) as u32;
    set(&mut burst, settings.burst);
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Some(RateLimit { interval: Duration::from_secs_f64(1.0 / wanted), burst })
}

fn breaker(path: &KeyPath, settings: &BreakerSettings, breaker: &mut Breaker, checker: &mut Checker<'_>) {
    checker.not_zero(&path.key("probe-interval"), settings.probe_interval);
    set(&mut breaker.failures, settings.failures);
    set(&mut breaker.probe_interval, settings.probe_interval);
    set(&mut breaker.max_probe_interval, settings.max_probe_interval);
    breaker.max_denied_interval = breaker.max_denied_interval.max(breaker.max_probe_interval);
    set(&mut breaker.max_denied_interval, settings.max_denied_interval);
    set(&mut breaker.pause_after, settings.pause_after);
    if breaker.probe_interval > breaker.max_denied_interval {
        let (first, longest) = (breaker.probe_interval, breaker.max_denied_interval);
        let text = format!("is only {longest:?} and `probe-interval` {first:?}; raise it");
        checker.mistake(&path.key("max-denied-interval"), text);
    }
    if breaker.probe_interval > breaker.max_probe_interval {
        let blamed = if settings.probe_interval.is_some() { "probe-interval" } else { "max-probe-interval" };
        let (first, longest) = (breaker.probe_interval, breaker.max_probe_interval);
        let text = format!(
            "`probe-interval` is {first:?} and `max-probe-interval` only {longest:?}; raise the latter"
        );
        checker.mistake(&path.key(blamed), text);
    }
}
