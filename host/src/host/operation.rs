//! A reload as an operation of the admin server: what it answers, in the words of HTTP.

use http::StatusCode;
use serde_json::{Value, json};

use super::reload::{ReloadError, Reloaded, Reloader};
use crate::admin::{Operation, Refusal};
use crate::config::{Mistake, PluginName, SubscriptionName};

/// Has the host read its configuration again.
pub(super) fn operation(reloader: Reloader) -> Operation {
    Box::new(move || {
        let reloader = reloader.clone();
        // A task of its own: who asked may go away, and the log and the counts have it all the same.
        let reload = tokio::spawn(async move { reloader.read_again().await });
        Box::pin(async move {
            let reloaded = reload.await.unwrap_or_else(|error| Err(error.into()));
            reloaded.map(|reloaded| done(&reloaded)).map_err(|error| refusal(&error))
        })
    })
}

fn done(reloaded: &Reloaded) -> Value {
    let Reloaded { added, removed, restarted, unchanged, plugins } = reloaded;
    let lists = [("added", added), ("removed", removed), ("restarted", restarted), ("unchanged", unchanged)];
    let list = |(word, names): (&str, &std::collections::BTreeSet<SubscriptionName>)| {
        (word.to_owned(), names.iter().map(SubscriptionName::as_str).collect())
    };
    let plugins = ("plugins".to_owned(), plugins.iter().map(PluginName::as_str).collect());
    Value::Object(lists.into_iter().map(list).chain([plugins]).collect())
}

fn refusal(error: &ReloadError) -> Refusal {
    let status = match error {
        _ if error.is_configuration() => StatusCode::UNPROCESSABLE_ENTITY,
        ReloadError::NoSource => StatusCode::NOT_IMPLEMENTED,
        ReloadError::Fault => StatusCode::INTERNAL_SERVER_ERROR,
        ReloadError::Config(_) | ReloadError::Prepare(_) | ReloadError::ShuttingDown => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    match error {
        ReloadError::Config(errors) => {
            let mistakes: Vec<_> = errors.mistakes().iter().map(mistake).collect();
            let detail = "the configuration has mistakes, and the host goes on as it was: see `mistakes`";
            Refusal { status, detail: detail.to_owned(), member: Some(("mistakes", json!(mistakes))) }
        }
        ReloadError::Prepare(_) | ReloadError::Fault | ReloadError::NoSource | ReloadError::ShuttingDown => {
            Refusal { status, detail: error.to_string(), member: None }
        }
    }
}

fn mistake(Mistake { position, key, text }: &Mistake) -> Value {
    let (line, column) = (position.map(|at| at.line), position.map(|at| at.column));
    json!({ "key": key, "line": line, "column": column, "text": text })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigErrors};
    use crate::host::HostError;
    use crate::kafka::client::KafkaError;

    #[test]
    fn all_that_happened_is_listed() {
        let names = |names: &[&str]| names.iter().map(|name| SubscriptionName::new(name)).collect();
        let reloaded =
            Reloaded { added: names(&["b", "a"]), unchanged: names(&["c"]), ..Reloaded::default() };
        let expected = json!({
            "added": ["a", "b"], "removed": [], "restarted": [], "unchanged": ["c"], "plugins": [],
        });
        assert_eq!(done(&reloaded), expected);
    }

    #[test]
    fn what_is_to_be_mended_is_told_apart_from_what_may_pass() {
        let errors: ConfigErrors = Config::from_toml("[kafka]\nbrokrs = []\n", Path::new("")).unwrap_err();
        let Refusal { status, member, .. } = refusal(&errors.into());
        assert_eq!(status, 422);
        let (name, mistakes) = member.unwrap();
        assert_eq!(
            (name, &mistakes[0]["key"], &mistakes[0]["line"]),
            ("mistakes", &json!("kafka.brokrs"), &json!(2))
        );
        assert!(mistakes[0]["text"].as_str().unwrap().contains("did you mean `brokers`"), "{mistakes}");
        for (error, expected) in [
            (ReloadError::from(HostError::Kafka(KafkaError::Stopped)), 503),
            (ReloadError::ShuttingDown, 503),
            (ReloadError::NoSource, 501),
            (ReloadError::Fault, 500),
        ] {
            let Refusal { status, detail, member } = refusal(&error);
            assert_eq!((status.as_u16(), detail, member), (expected, error.to_string(), None));
        }
    }
}
