//! Checks where plugins come from: `[trust]`, `[registries]`, and what a plugin says of its source and its signers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Checker, secrets, set};
use crate::config::document::KeyPath;
use crate::config::explain::suggest;
use crate::config::settings::{
    KeySettings, PluginSettings, RegistryCredentialSettings, RegistrySettings, TrustSettings,
};
use crate::config::{KeyName, Registry, RegistryCredential, RegistryImage, Signers, SigningKey, Source};

/// What the plugins' own tables refer to.
pub(super) struct Origins {
    keys: Vec<SigningKey>,
    is_signature_required: bool,
    registries: BTreeMap<String, Registry>,
    /// Registries that a plugin named.
    used: BTreeSet<String>,
}

impl Origins {
    pub(super) fn new(
        trust: TrustSettings,
        registries: BTreeMap<String, RegistrySettings>,
        checker: &mut Checker<'_>,
    ) -> Self {
        let path = KeyPath::of(&["trust", "keys"]);
        let keys =
            trust.keys.into_iter().map(|(name, settings)| key(&path.key(&name), &name, settings, checker));
        let keys: Vec<_> = keys.collect();
        let is_signature_required = trust.require_signature.unwrap_or_default();
        if is_signature_required && keys.is_empty() {
            let path = KeyPath::of(&["trust", "require-signature"]);
            checker.mistake(&path, "is true, and no key is named whose signature would do; add [trust.keys]");
        }
        let registries = registries.into_iter().map(|(host, settings)| {
            let path = KeyPath::of(&["registries", &host]);
            (host.clone(), registry(&path, &host, settings, checker))
        });
        let registries = registries.collect();
        Self { keys, is_signature_required, registries, used: BTreeSet::new() }
    }

    /// The one source of a plugin; where there is none, some other, so that the checks go on.
    pub(super) fn source(
        &mut self,
        path: &KeyPath,
        settings: &PluginSettings,
        checker: &mut Checker<'_>,
    ) -> Option<Source> {
        if let Some(image) = &settings.image {
            if settings.path.is_some() {
                let text = "stands beside `path`, and a plugin comes from one place; leave one of them out";
                checker.mistake(&path.key("image"), text);
            }
            return self.image(&path.key("image"), image, checker);
        }
        let mend = "write where the component's file is, or name an image with `image`";
        // An image that could not be read is reported already.
        if checker.document.has(&path.key("image")) {
            return None;
        }
        let file = checker.required(&path.key("path"), settings.path.as_ref(), mend);
        file.map(|file| Source::File(checker.path(file)))
    }

    fn image(&mut self, path: &KeyPath, text: &str, checker: &mut Checker<'_>) -> Option<Source> {
        let source = match Source::image(text, checker.base) {
            Ok(source) => source,
            Err(error) => {
                checker.mistake(path, error.to_string());
                return None;
            }
        };
        match source {
            Source::Registry(image) => {
                self.used.insert(image.registry.host.clone());
                let registry = self.registries.get(&image.registry.host).cloned();
                let registry = registry.unwrap_or(image.registry);
                Some(Source::Registry(RegistryImage { registry, ..image }))
            }
            Source::Layout { ref folder, .. } => {
                if !folder.join("oci-layout").is_file() {
                    let folder = folder.display();
                    let text =
                        format!("{folder} is no OCI layout: it holds no file `oci-layout`; mend the path");
                    checker.mistake(path, text);
                }
                Some(source)
            }
            Source::File(_) => Some(source),
        }
    }

    /// Whose signatures count for a plugin that names these keys.
    pub(super) fn signers(
        &self,
        path: &KeyPath,
        names: Option<&[String]>,
        checker: &mut Checker<'_>,
    ) -> Signers {
        let path = path.key("signers");
        let Some(names) = names else {
            return Signers { keys: self.keys.clone(), is_required: self.is_signature_required };
        };
        if names.is_empty() {
            checker
                .mistake(&path, "names nobody; name keys of [trust.keys], or leave it out for any of them");
        }
        let mut keys = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match self.keys.iter().find(|key| key.name.as_str() == name) {
                Some(key) => keys.push(key.clone()),
                None => {
                    let known: Vec<_> = self.keys.iter().map(|key| key.name.as_str()).collect();
                    let text = format!("no key `{name}` stands in [trust.keys]; {}", suggest(name, &known));
                    checker.mistake(&path.index(index), text);
                }
            }
        }
        Signers { keys, is_required: true }
    }

    pub(super) fn warn_of_unused(&self, checker: &mut Checker<'_>) {
        for host in self.registries.keys().filter(|host| !self.used.contains(*host)) {
            checker.unused(&["registries", host], "plugin");
        }
    }
}

fn key(path: &KeyPath, name: &str, settings: KeySettings, checker: &mut Checker<'_>) -> SigningKey {
    checker.name(path, name);
    let mend = "write where the public key's file is";
    let file = checker.required(&path.key("file"), settings.file, mend);
    let file = file.map(|file| key_file(&path.key("file"), checker.path(file), checker));
    SigningKey { name: KeyName::new(name), file: file.unwrap_or_default() }
}

/// What kind of key it is shows when it is used.
fn key_file(path: &KeyPath, file: PathBuf, checker: &mut Checker<'_>) -> PathBuf {
    match secrets::filled_file(&file) {
        Err(problem) => checker.mistake(path, problem),
        Ok(text) if !text.contains("-----BEGIN PUBLIC KEY-----") => {
            let text = format!(
                "{} holds no public key in PEM; `openssl pkey -in KEY -pubout` prints that of a private key",
                file.display()
            );
            checker.mistake(path, text);
        }
        Ok(_) => {}
    }
    file
}

fn registry(path: &KeyPath, host: &str, settings: RegistrySettings, checker: &mut Checker<'_>) -> Registry {
    if !Registry::is_host(host) {
        checker.mistake(path, "is no registry; write its host, and its port where that is not the usual one");
    }
    let mut registry = Registry::new(host);
    set(&mut registry.is_plain_http, settings.plain_http);
    checker.not_zero(&path.key("connect-timeout"), settings.connect_timeout);
    checker.not_zero(&path.key("timeout"), settings.timeout);
    set(&mut registry.connect_timeout, settings.connect_timeout);
    set(&mut registry.timeout, settings.timeout);
    registry.ca_file =
        settings.ca_file.map(|file| secrets::certificate_file(&path.key("ca-file"), &file, checker));
    registry.credential =
        settings.credential.and_then(|settings| credential(&path.key("credential"), settings, checker));
    plain(path, &registry, checker);
    registry
}

/// What is not protected by TLS.
fn plain(path: &KeyPath, registry: &Registry, checker: &mut Checker<'_>) {
    if !registry.is_plain_http {
        return;
    }
    if registry.ca_file.is_some() {
        checker.mistake(&path.key("ca-file"), "is of use with TLS alone; leave it out, or `plain-http`");
    }
    if registry.is_loopback() {
        return;
    }
    match registry.credential {
        Some(_) => checker.mistake(
            &path.key("credential"),
            "would be sent in the clear, over `plain-http`; leave one of them out",
        ),
        None => checker.warning(
            &path.key("plain-http"),
            "anybody on the way sees which plugins are fetched, and can keep them back; use TLS outside a test",
        ),
    }
}

pub(super) fn credential(
    path: &KeyPath,
    settings: RegistryCredentialSettings,
    checker: &mut Checker<'_>,
) -> Option<RegistryCredential> {
    match settings {
        RegistryCredentialSettings::Bearer(secret) => {
            Some(RegistryCredential::Bearer(secrets::secret(&path.key("bearer"), secret, checker)))
        }
        RegistryCredentialSettings::Basic(basic) => {
            let path = path.key("basic");
            let username = checker.required(&path.key("username"), basic.username, "write the user's name");
            if username.as_ref().is_some_and(|username| username.contains(':')) {
                checker.mistake(&path.key("username"), "must hold no colon (RFC 7617)");
            }
            let password = secrets::required_secret(&path.key("password"), basic.password, checker);
            Some(RegistryCredential::Basic { username: username?, password: password? })
        }
    }
}
