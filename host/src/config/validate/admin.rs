//! Checks `[admin]`: an address that can be served at, and a token that nobody guesses.

use std::net::SocketAddr;

use super::Checker;
use super::secrets::token;
use crate::config::Admin;
use crate::config::document::KeyPath;
use crate::config::settings::{AdminSettings, TextOrFalse};

pub(super) fn admin(settings: AdminSettings, checker: &mut Checker<'_>) -> Admin {
    let mut admin = Admin::default();
    match settings.address {
        None => {}
        Some(TextOrFalse::False) => admin.address = None,
        Some(TextOrFalse::Text(text)) => admin.address = address(&text, checker),
    }
    admin.token = settings.token.map(|written| token(&KeyPath::of(&["admin", "token"]), written, checker));
    admin
}

fn address(text: &str, checker: &mut Checker<'_>) -> Option<SocketAddr> {
    let path = KeyPath::of(&["admin", "address"]);
    let Ok(address) = text.parse::<SocketAddr>() else {
        let text =
            format!("`{text}` is not an IP address with a port; write such as \"127.0.0.1:9464\", or false");
        checker.mistake(&path, text);
        return None;
    };
    if !address.ip().is_loopback() {
        let text = format!(
            "{address} can be reached from other machines, and shows health and metrics to whoever asks"
        );
        checker.warning(&path, text);
    }
    Some(address)
}
