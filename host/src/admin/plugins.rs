//! `GET /plugins`: which version of each plugin is live, and how the one on trial does.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

/// Where the page comes from.
#[derive(Clone)]
pub struct PluginsPage(Arc<dyn Fn() -> Value + Send + Sync>);

impl PluginsPage {
    /// Asked for each request; answers at once.
    pub fn new(page: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        Self(Arc::new(page))
    }
}

impl fmt::Debug for PluginsPage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PluginsPage").finish_non_exhaustive()
    }
}

pub(super) fn router(page: PluginsPage) -> Router {
    Router::new().route("/plugins", get(plugins)).with_state(page)
}

async fn plugins(State(PluginsPage(page)): State<PluginsPage>) -> Json<Value> {
    Json(page())
}
