//! Hashes a value, so that the same value is the same text and the value itself is not told.

use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// How a value and the salt are hashed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum HashBy {
    /// HMAC (RFC 2104), with the salt as its key.
    #[default]
    #[serde(rename = "hmac-sha-256")]
    Hmac,
    /// Of the salt and then the value.
    #[serde(rename = "sha-256")]
    Sha256,
}

#[derive(Debug)]
pub(crate) struct Hasher {
    pub(crate) by: HashBy,
    pub(crate) salt: String,
}

impl Hasher {
    /// In hexadecimal, in lower case.
    pub(crate) fn hash(&self, value: &str) -> String {
        let digest = match self.by {
            HashBy::Hmac => {
                let key = self.salt.as_bytes();
                let mac =
                    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104)");
                mac.chain_update(value).finalize().into_bytes()
            }
            HashBy::Sha256 => Sha256::new().chain_update(&self.salt).chain_update(value).finalize(),
        };
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `openssl dgst -sha256 -hmac SALT` and `printf SALTvalue | sha256sum` say.
    #[test]
    fn a_hash_is_what_other_programs_make_of_it() {
        for (by, value, expected) in [
            (HashBy::Hmac, "p-17", "9b05e5bcb59367e84d529809554ceffcf05af25ee520b41a65a53bbec679e482"),
            (HashBy::Sha256, "p-17", "5bbd734987bc520fa3ad4ad04c3062534dba2f248d3d02926bb5f7451590b843"),
            (HashBy::Hmac, "é", "4942e53cee2e49cedef1cda142f87bb57a0aca80ab91e72e069d15887d0ae485"),
            (HashBy::Sha256, "é", "473bb8a4f67c31b210f8f5bb7e4214e68ab137d69fd3cdfa09d38b637290a17e"),
        ] {
            let hasher = Hasher { by, salt: "agency-salt-0001".to_owned() };
            assert_eq!(hasher.hash(value), expected, "{by:?} {value}");
        }
    }
}
