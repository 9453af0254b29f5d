//! Checks `[kafka.security]`: that its parts belong together, and that the files it names hold what they should.

use std::path::{Path, PathBuf};

use super::{Checker, secrets};
use crate::config::document::KeyPath;
use crate::config::settings::{KafkaSecuritySettings, SaslMechanismSetting, SaslSettings, SecretSettings};
use crate::config::{KafkaSecurity, KafkaTls, Sasl, SaslMechanism, TlsIdentity};

/// Properties of librdkafka that `[kafka.security]` stands for.
const PROPERTIES: [&str; 15] = [
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.ca.certificate.stores",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
];

/// Whether `[kafka.security]` says what this property says too.
pub(super) fn stands_for(property: &str) -> bool {
    PROPERTIES.contains(&property)
}

pub(super) fn security(settings: KafkaSecuritySettings, checker: &mut Checker<'_>) -> KafkaSecurity {
    let path = KeyPath::of(&["kafka", "security"]);
    let KafkaSecuritySettings { tls, ca_file, certificate_file, key_file, key_password, sasl } = settings;
    let is_tls = tls.unwrap_or(true);
    if !is_tls && sasl.is_none() {
        checker.mistake(
            &path.key("tls"),
            "is false, and there is no `sasl`: nothing is left of this table; leave it out",
        );
    }
    for (key, is_there) in [
        ("ca-file", ca_file.is_some()),
        ("certificate-file", certificate_file.is_some()),
        ("key-file", key_file.is_some()),
        ("key-password", key_password.is_some()),
    ] {
        if is_there && !is_tls {
            checker.mistake(
                &path.key(key),
                "is of use with TLS alone, and `tls` is false; leave one of them out",
            );
        }
    }
    let ca_file = ca_file.map(|file| secrets::certificate_file(&path.key("ca-file"), &file, checker));
    let certificate_file =
        certificate_file.map(|file| secrets::certificate_file(&path.key("certificate-file"), &file, checker));
    let identity = identity(&path, certificate_file, key_file, key_password, checker);
    let sasl = sasl.and_then(|settings| user(&path.key("sasl"), settings, checker));
    if let Some(sasl) = sasl.as_ref().filter(|_| !is_tls) {
        let text = match sasl.mechanism {
            SaslMechanism::Plain => "the password goes over the network in the clear",
            SaslMechanism::ScramSha256 | SaslMechanism::ScramSha512 => {
                "all events go over the network in the clear, and the password can be guessed from what does"
            }
        };
        checker.warning(&path.key("tls"), format!("{text}; use TLS outside a test"));
    }
    KafkaSecurity { tls: is_tls.then_some(KafkaTls { ca_file, identity }), sasl }
}

/// Certificate and key: both or none.
fn identity(
    path: &KeyPath,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    key_password: Option<SecretSettings>,
    checker: &mut Checker<'_>,
) -> Option<TlsIdentity> {
    let key_password = key_password.map(|secret| secrets::secret(&path.key("key-password"), secret, checker));
    let key_file = key_file.map(|file| checker.path(file));
    if let Some(file) = &key_file {
        private_key(&path.key("key-file"), file, key_password.is_some(), checker);
    }
    if key_file.is_none() && key_password.is_some() {
        checker.mistake(&path.key("key-password"), "is of no key; name that in `key-file`");
    }
    match (certificate_file, key_file) {
        (Some(certificate_file), Some(key_file)) => {
            Some(TlsIdentity { certificate_file, key_file, key_password })
        }
        (None, None) => None,
        (Some(_), None) => {
            checker.mistake(&path.key("certificate-file"), "needs its private key; name that in `key-file`");
            None
        }
        (None, Some(_)) => {
            checker.mistake(&path.key("key-file"), "needs its certificate; name that in `certificate-file`");
            None
        }
    }
}

/// Looks at the file, where it will be needed, and forgets it.
fn private_key(path: &KeyPath, file: &Path, has_password: bool, checker: &mut Checker<'_>) {
    if !checker.are_secrets_needed {
        return;
    }
    match secrets::filled_file(file) {
        Err(problem) => checker.mistake(path, problem),
        Ok(text) if !text.contains("PRIVATE KEY-----") => {
            checker.mistake(path, format!("{} holds no PEM private key; export it as PEM", file.display()));
        }
        Ok(text) if text.contains("ENCRYPTED") && !has_password => {
            checker.mistake(
                path,
                format!("{} is encrypted; name its password in `key-password`", file.display()),
            );
        }
        Ok(_) => {}
    }
}

fn user(path: &KeyPath, settings: SaslSettings, checker: &mut Checker<'_>) -> Option<Sasl> {
    let mend = "write \"scram-sha-512\", \"scram-sha-256\" or \"plain\"";
    let mechanism = checker.required(&path.key("mechanism"), settings.mechanism, mend);
    let username = checker.required(&path.key("username"), settings.username, "write the user's name");
    if username.as_ref().is_some_and(String::is_empty) {
        checker.mistake(&path.key("username"), "must not be empty");
    }
    let password = secrets::required_secret(&path.key("password"), settings.password, checker);
    Some(Sasl { mechanism: mechanism?.into(), username: username?, password: password? })
}

impl From<SaslMechanismSetting> for SaslMechanism {
    fn from(setting: SaslMechanismSetting) -> Self {
        match setting {
            SaslMechanismSetting::Plain => Self::Plain,
            SaslMechanismSetting::ScramSha256 => Self::ScramSha256,
            SaslMechanismSetting::ScramSha512 => Self::ScramSha512,
        }
    }
}
