//! `/metrics` on its own port: what the node counts, in Prometheus' text form.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::error::RpcError;
use crate::limits::Limits;
use crate::server::{Server, listen};

/// Connections to the metrics port: scrapers are few.
const MAX_CONNECTIONS: usize = 64;

/// Serves a registry until `shutdown` resolves.
///
/// # Errors
/// [`RpcError::Listen`] names the address that cannot be listened on.
pub async fn serve_metrics(
    address: SocketAddr,
    registry: Arc<Mutex<Registry>>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Server, RpcError> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .fallback(|| async { (StatusCode::NOT_FOUND, "the metrics are at /metrics\n") })
        .with_state(registry);
    let limits = Limits { max_connections: MAX_CONNECTIONS, ..Limits::default() };
    listen(address, router, limits, Box::pin(shutdown), Arc::new(|connection| connection)).await
}

async fn metrics(State(registry): State<Arc<Mutex<Registry>>>) -> Response {
    let mut text = String::new();
    // A panic elsewhere while the registry was locked does not make its numbers wrong to read.
    let registry = registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n").into_response(),
    }
}
