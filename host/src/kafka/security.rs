//! How a client is protected: `[kafka.security]` as properties of librdkafka.
//!
//! Secrets are read here, each time that a client is made, and go nowhere else. librdkafka's own OpenSSL is built into
//! the host and knows no authority of the system, so those are handed to it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rdkafka::config::ClientConfig;

use super::client::KafkaError;
use crate::config::{KafkaSecurity, SecretRef};

/// Whom TLS trusts. On Windows alone librdkafka looks into the system's stores by itself.
const TRUST: [&str; 2] = ["ssl.ca.location", "ssl.ca.pem"];

/// Characters of a line of PEM (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// Sets what the configuration says. `config` has the properties already: TLS that they ask for needs authorities too.
pub(super) fn secure(config: &mut ClientConfig, security: &KafkaSecurity) -> Result<(), KafkaError> {
    let KafkaSecurity { tls, sasl } = security;
    let protocol = match (tls, sasl) {
        (None, None) => None,
        (Some(_), None) => Some("ssl"),
        (None, Some(_)) => Some("sasl_plaintext"),
        (Some(_), Some(_)) => Some("sasl_ssl"),
    };
    if let Some(protocol) = protocol {
        config.set("security.protocol", protocol);
    }
    if let Some(tls) = tls {
        if let Some(file) = &tls.ca_file {
            config.set("ssl.ca.location", file.to_string_lossy());
        }
        if let Some(identity) = &tls.identity {
            config.set("ssl.certificate.location", identity.certificate_file.to_string_lossy());
            config.set("ssl.key.location", identity.key_file.to_string_lossy());
            if let Some(password) = &identity.key_password {
                config.set("ssl.key.password", read("key-password", password)?);
            }
        }
    }
    if let Some(sasl) = sasl {
        config.set("sasl.mechanisms", sasl.mechanism.name()).set("sasl.username", &sasl.username);
        config.set("sasl.password", read("sasl.password", &sasl.password)?);
    }
    if is_tls(config) && TRUST.iter().all(|property| config.get(property).is_none()) {
        config.set("ssl.ca.pem", system_authorities()?);
    }
    Ok(())
}

/// Does this client speak TLS?
pub(super) fn is_tls(config: &ClientConfig) -> bool {
    config.get("security.protocol").is_some_and(|protocol| protocol.to_ascii_lowercase().contains("ssl"))
}

fn read(key: &'static str, secret: &SecretRef) -> Result<String, KafkaError> {
    let secret = secret.read().map_err(|source| KafkaError::Secret { key, source })?;
    Ok(secret.expose().to_owned())
}

/// All that the system trusts, as PEM.
fn system_authorities() -> Result<String, KafkaError> {
    let found = rustls_native_certs::load_native_certs();
    // One that cannot be read is the system's matter: those that can be are enough.
    if found.certs.is_empty() {
        let reason = found.errors.first().map_or("it has none".to_owned(), ToString::to_string);
        return Err(KafkaError::NoAuthorities { reason });
    }
    Ok(found.certs.iter().map(|certificate| pem(certificate)).collect())
}

fn pem(certificate: &[u8]) -> String {
    let text = STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
        writeln!(pem, "{line}").expect("writing to a string cannot fail");
        rest = after;
    }
    pem + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rdkafka::consumer::BaseConsumer;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;
    use crate::config::{KafkaTls, Sasl, SaslMechanism, TlsIdentity};

    /// Made by openssl, with a key that the password `hush` opens.
    const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUUAHFijFzZjR5+KjWFpxVzig4s2swCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHbGlhaXNvbjAgFw0yNjExMjgwMzM5NTRaGA8yMTI2MTEwNDAz
Mzk1NFowEjEQMA4GA1UEAwwHbGlhaXNvbjBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABAzqIiXnH7ItFS8cu8yb902J72OfMTBU1LQALv014rpteTL0Y/zfp+2F1//z
JGBA0R+QUFltNmjoMPmY7yDtxX6jUzBRMB0GA1UdDgQWBBQV37dSU4iRa1s+ut5+
li00crBCKTAfBgNVHSMEGDAWgBQV37dSU4iRa1s+ut5+li00crBCKTAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIAMEP8m+EXwTCvMklRkeuX7yStYn
fuMikF3b/km4ovaVAiEA2N3lTlxZpLZOYFkjcKgSByn47R/9REihh7Hf1i0dE4o=
-----END CERTIFICATE-----
";

    const KEY: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjcZLmj06R6KwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEMy7EkwFsvP8Oqz+uyd56sUEgZDC
IFH2C6ug+2ygqruU9fFoOxttUyZh/RiPY3tWld0ELiVFUwrWX/oA3J1KysnZtgx+
nSG/iwldZBy0ZIQ5ce1WK2b/VAVZyv7bh3UsFAnL4mJnL0n8RLA+pRTr71V5Q3d6
Urke7S9AHGdAOn8dsZi2P0Ycneeqs5z+KYx4nTVDrwn88whR01rQnUKZFEru19Q=
-----END ENCRYPTED PRIVATE KEY-----
";

    /// A file that is there for as long as this is.
    struct Written(PathBuf);

    impl Written {
        fn new(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("liaison-kafka-{}-{name}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            Self(path)
        }

        fn reference(&self) -> SecretRef {
            SecretRef::File(self.0.clone())
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            std::fs::remove_file(&self.0).unwrap();
        }
    }

    /// What is set in the end, of all that could be.
    fn secured(security: &KafkaSecurity, properties: &[(&str, &str)]) -> Vec<(String, String)> {
        const PROPERTIES: [&str; 9] = [
            "sasl.mechanisms",
            "sasl.password",
            "sasl.username",
            "security.protocol",
            "ssl.ca.location",
            "ssl.ca.pem",
            "ssl.certificate.location",
            "ssl.key.location",
            "ssl.key.password",
        ];
        let mut config = ClientConfig::new();
        for (name, value) in properties {
            config.set(*name, *value);
        }
        secure(&mut config, security).unwrap();
        let set =
            PROPERTIES.iter().filter_map(|name| Some(((*name).to_owned(), config.get(name)?.to_owned())));
        set.collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_part_becomes_its_properties() {
        let password = Written::new("parts", "hush\n");
        let sasl = Sasl {
            mechanism: SaslMechanism::ScramSha512,
            username: "me".to_owned(),
            password: password.reference(),
        };
        let identity = TlsIdentity {
            certificate_file: "c.pem".into(),
            key_file: "k.pem".into(),
            key_password: Some(password.reference()),
        };
        let tls = KafkaTls { ca_file: Some("ca.pem".into()), identity: None };
        let user = [("sasl.mechanisms", "SCRAM-SHA-512"), ("sasl.password", "hush"), ("sasl.username", "me")];
        let clear = KafkaSecurity { tls: None, sasl: Some(sasl.clone()) };
        let expected = [&user[..], &[("security.protocol", "sasl_plaintext")]].concat();
        assert_eq!(secured(&clear, &[]), owned(&expected));
        let both = KafkaSecurity { tls: Some(tls.clone()), sasl: Some(sasl) };
        let expected =
            [&user[..], &[("security.protocol", "sasl_ssl"), ("ssl.ca.location", "ca.pem")]].concat();
        assert_eq!(secured(&both, &[]), owned(&expected));
        let mutual = KafkaSecurity { tls: Some(KafkaTls { identity: Some(identity), ..tls }), sasl: None };
        assert_eq!(
            secured(&mutual, &[]),
            owned(&[
                ("security.protocol", "ssl"),
                ("ssl.ca.location", "ca.pem"),
                ("ssl.certificate.location", "c.pem"),
                ("ssl.key.location", "k.pem"),
                ("ssl.key.password", "hush"),
            ])
        );
        assert_eq!(secured(&KafkaSecurity::default(), &[]), []);
    }

    #[test]
    fn tls_without_authorities_of_its_own_trusts_the_systems() {
        let system = rustls_native_certs::load_native_certs().certs;
        let tls = KafkaSecurity { tls: Some(KafkaTls::default()), sasl: None };
        for (security, properties) in [
            (&tls, &[][..]),
            (&KafkaSecurity::default(), &[("security.protocol", "SSL")]),
            (&KafkaSecurity::default(), &[("security.protocol", "sasl_ssl")]),
        ] {
            let set = secured(security, properties);
            let (_, pem) = set.iter().find(|(name, _)| name == "ssl.ca.pem").expect("authorities");
            let read: Vec<_> =
                CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap();
            assert_eq!(read, system);
        }
        let own = [("security.protocol", "SSL"), ("ssl.ca.location", "mine")];
        assert_eq!(secured(&KafkaSecurity::default(), &own), owned(&own));
        assert_eq!(secured(&KafkaSecurity::default(), &[("security.protocol", "PLAINTEXT")]).len(), 1);
    }

    #[test]
    fn a_password_that_cannot_be_read_is_named_by_its_key() {
        let sasl = Sasl {
            mechanism: SaslMechanism::Plain,
            username: "me".to_owned(),
            password: SecretRef::Env("LIAISON_NO_SUCH_VARIABLE".to_owned()),
        };
        let security = KafkaSecurity { tls: None, sasl: Some(sasl) };
        let error = secure(&mut ClientConfig::new(), &security).unwrap_err().to_string();
        assert_eq!(
            error,
            "`sasl.password` in [kafka.security]: the environment variable LIAISON_NO_SUCH_VARIABLE is not set; it \
             should hold a secret"
        );
    }
    #[test]
    fn a_key_opens_with_its_password_alone() {
        let (certificate, key) = (Written::new("certificate", CERTIFICATE), Written::new("key", KEY));
        let made_with = |password: Option<&Written>| {
            let identity = TlsIdentity {
                certificate_file: certificate.0.clone(),
                key_file: key.0.clone(),
                key_password: password.map(Written::reference),
            };
            let tls = KafkaTls { ca_file: Some(certificate.0.clone()), identity: Some(identity) };
            let mut config = ClientConfig::new();
            secure(&mut config, &KafkaSecurity { tls: Some(tls), sasl: None }).unwrap();
            let made: Result<BaseConsumer, _> = config.create();
            made.map(drop).map_err(|error| error.to_string())
        };
        let (right, wrong) = (Written::new("right", "hush\n"), Written::new("wrong", "loud"));
        assert_eq!(made_with(Some(&right)), Ok(()));
        for wrong in [Some(&wrong), None] {
            let error = made_with(wrong).unwrap_err();
            assert!(error.contains("ssl.key.location failed"), "{error}");
            assert!(!error.contains("loud"), "{error}");
        }
    }
}
