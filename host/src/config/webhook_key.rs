//! Keys of Standard Webhooks 1.0.0, and what they sign.
//!
//! In comes the text of a secret, out go signatures of messages: of alerts, and of what a connector posts. The text of a
//! key never shows itself. <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, Mac as _};
use ring::signature::Ed25519KeyPair;
use sha2::Sha256;

/// What a shared secret should have at least, by the specification.
const HMAC_BYTES: usize = 24;

/// With padding at the end or without: both are about.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a message is signed with.
pub(crate) enum WebhookKey {
    /// `whsec_…`: a secret that sender and receiver share.
    Hmac(Vec<u8>),
    /// `whsk_…`: the receiver needs only its public half.
    Ed25519(Box<Ed25519KeyPair>),
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is no signing key; it must be `whsec_` and base64, or `whsk_` and base64 of an Ed25519 key (32 or 64 bytes)"
)]
pub struct NotAKey;

impl WebhookKey {
    /// Reads a key as it is handed out.
    pub(crate) fn read(text: &str) -> Result<Self, NotAKey> {
        let decode = |encoded: &str| BASE64.decode(encoded).map_err(|_| NotAKey);
        if let Some(encoded) = text.strip_prefix("whsec_") {
            return Some(decode(encoded)?).filter(|key| !key.is_empty()).map(Self::Hmac).ok_or(NotAKey);
        }
        let key = decode(text.strip_prefix("whsk_").ok_or(NotAKey)?)?;
        // A seed alone, or with the public key behind it, as libsodium has it.
        let pair = match key.split_at_checked(32) {
            Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
            Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
            None => return Err(NotAKey),
        };
        pair.map(|pair| Self::Ed25519(Box::new(pair))).map_err(|_| NotAKey)
    }

    /// Shorter than the specification asks for.
    pub(crate) fn is_short(&self) -> bool {
        matches!(self, Self::Hmac(key) if key.len() < HMAC_BYTES)
    }

    /// One signature as `webhook-signature` lists them, of the message with this id, posted then. The id must hold no full
    /// stop: it parts what is signed.
    pub(crate) fn sign(&self, id: &str, timestamp_seconds: u64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp_seconds}.");
        match self {
            Self::Hmac(key) => {
                let mac =
                    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104)");
                let signature = mac.chain_update(&head).chain_update(body).finalize();
                format!("v1,{}", STANDARD.encode(signature.into_bytes()))
            }
            Self::Ed25519(pair) => {
                let signature = pair.sign(&[head.as_bytes(), body].concat());
                format!("v1a,{}", STANDARD.encode(signature))
            }
        }
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Hmac(_) => "Hmac(…)",
            Self::Ed25519(_) => "Ed25519(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8032, 7.1, test 1.
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    /// The example of the specification's reference libraries.
    #[test]
    fn a_shared_secret_signs_as_the_reference_says() {
        let key = WebhookKey::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(!key.is_short() && WebhookKey::read("whsec_c2VjcmV0").unwrap().is_short());
    }

    /// Another implementation, the Python library cryptography 50.0.2, made the expected signature of the same message.
    #[test]
    fn a_key_pair_signs_as_the_specification_says() {
        let (seed, public) = (bytes(SEED), bytes(PUBLIC));
        let both = [seed.clone(), public.clone()].concat();
        for encoded in
            [STANDARD.encode(&seed), STANDARD.encode(&both), STANDARD.encode(&both).replace('=', "")]
        {
            let key = WebhookKey::read(&format!("whsk_{encoded}")).unwrap();
            let signature =
                key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
            assert_eq!(
                signature,
                "v1a,fldxM4gAKugP6nnt1hdz3sgGfZ6d99nzrMFnZOELIxbzEHoVmAb2ADpkJK7zgPePmPsle0zV9jSeGlHFG2NVAw=="
            );
            assert!(!format!("{key:?}").contains(&encoded));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let wrong = STANDARD.encode([bytes(SEED), vec![7; 32]].concat());
        for text in [
            "",
            "hush",
            "whsec_",
            "whsec_!",
            "whsk_",
            "whsk_c2VjcmV0",
            "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
            &format!("whsk_{wrong}"),
        ] {
            assert_eq!(WebhookKey::read(text).err(), Some(NotAKey), "{text}");
        }
    }
}
