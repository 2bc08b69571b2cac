//! Routes of the RPC port, and the door every JSON-RPC request goes through.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::future::Either;
use jsonrpsee::core::middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT};
use jsonrpsee::server::middleware::rpc::RpcServiceBuilder;
use jsonrpsee::server::{
    BatchRequestConfig, ConnectionGuard, ConnectionState, Methods as RpcMethods, ServerConfig, stop_channel,
};
use jsonrpsee::types::{ErrorObjectOwned, Request as Call};
use jsonrpsee::{MethodResponse, server};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::Semaphore;
use tower_http::cors::{AllowOrigin, CorsLayer};
use vostro_api::node::Readiness;
use vostro_api::{ApiError, code};

use crate::backend::Backend;
use crate::buffers::{NotRead, Room};
use crate::error::RpcError;
use crate::limits::{Limits, Rates};
use crate::methods::{self, Api};
use crate::page;
use crate::server::RpcConfig;

/// How long a browser may remember the answer to a CORS question.
const CORS_MAX_AGE: Duration = Duration::from_secs(600);

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) api: Arc<Api>,
    methods: RpcMethods,
    names: Arc<[&'static str]>,
    openrpc: Arc<serde_json::Value>,
    rates: Arc<Rates>,
    in_flight: Arc<Semaphore>,
    buffers: Room,
    limits: Arc<Limits>,
}

pub(crate) fn router(config: &RpcConfig, backend: Arc<dyn Backend>) -> Result<Router, RpcError> {
    let api = Arc::new(Api::new(backend));
    let methods = methods::all(Arc::clone(&api)).expect("method names are distinct");
    let shared = Shared {
        openrpc: Arc::new(crate::openrpc::document(&methods.list)),
        names: methods.list.iter().map(|m| m.name).collect(),
        methods: methods.module.into(),
        api,
        rates: Arc::new(Rates::new(&config.limits)),
        in_flight: Arc::new(Semaphore::new(config.limits.max_in_flight)),
        buffers: Room::new(config.limits.max_buffered_bytes),
        limits: Arc::new(config.limits.clone()),
    };
    let mut router = Router::new()
        .route("/rpc", post(rpc).fallback(rpc_needs_post))
        .route("/", get(page::home))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/openrpc.json", get(|State(shared): State<Shared>| async move { Json((*shared.openrpc).clone()) }))
        .fallback(nowhere)
        .with_state(shared);
    if !config.cors_origins.is_empty() {
        router = router.layer(cors(&config.cors_origins)?);
    }
    Ok(router)
}

fn cors(origins: &[String]) -> Result<CorsLayer, RpcError> {
    let mut allowed = Vec::new();
    for origin in origins {
        let wrong = || RpcError::Origin { origin: origin.clone() };
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).ok_or_else(wrong)?;
        if host.is_empty() || host.contains(['/', '*', ' ']) {
            return Err(wrong());
        }
        allowed.push(HeaderValue::from_str(origin).map_err(|_| wrong())?);
    }
    Ok(CorsLayer::new()
        .allow_origin(AllowOrigin::list(allowed))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE])
        .max_age(CORS_MAX_AGE))
}

/// An error before a call could be told apart: JSON-RPC's form with a null id.
fn refuse(status: StatusCode, error: ApiError) -> Response {
    (status, Json(json!({"jsonrpc": "2.0", "id": null, "error": error}))).into_response()
}

async fn rpc(State(shared): State<Shared>, ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request) -> Response {
    let limits = Arc::clone(&shared.limits);
    let busy = |what: &str| ApiError::new(code::OVERLOADED, what);
    let Ok(_place) = shared.in_flight.try_acquire() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, busy("the node works on as many requests as it may"));
    };
    let work = async {
        let (parts, body) = request.into_parts();
        let too_large = || {
            let message = format!("the request is larger than {} bytes", limits.max_request_bytes);
            refuse(StatusCode::PAYLOAD_TOO_LARGE, ApiError::new(code::TOO_LARGE, message))
        };
        let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|l| l > u64::from(limits.max_request_bytes)) {
            return too_large();
        }
        let full = || refuse(StatusCode::SERVICE_UNAVAILABLE, busy("the node holds as many requests as it may"));
        let (bytes, _held) = match shared.buffers.read(body, limits.max_request_bytes as usize).await {
            Ok(read) => read,
            Err(NotRead::TooLarge) => return too_large(),
            Err(NotRead::Full) => return full(),
        };
        let calls = match entries(&bytes) {
            Ok(calls) => calls,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
        };
        if calls > limits.max_batch {
            let message = format!("{calls} calls in a batch are more than {}", limits.max_batch);
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, ApiError::new(code::TOO_LARGE, message));
        }
        if !shared.rates.allow(peer.ip(), calls) {
            return refuse(StatusCode::TOO_MANY_REQUESTS, busy("too many calls from this address"));
        }
        let (mut parts, body) = dispatch(&shared, axum::http::Request::from_parts(parts, bytes)).await.into_parts();
        let Ok(answer) = to_bytes(body, usize::MAX).await else { return full() };
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(answer.len()));
        match shared.buffers.answer(answer) {
            Some(body) => Response::from_parts(parts, body),
            None => full(),
        }
    };
    match tokio::time::timeout(limits.request_timeout, work).await {
        Ok(response) => response,
        Err(_) => {
            let message = format!("no answer within {} s", limits.request_timeout.as_secs());
            refuse(StatusCode::GATEWAY_TIMEOUT, ApiError::new(code::TIMED_OUT, message))
        }
    }
}

/// The least a request must have; the rest is the JSON-RPC library's to read.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(rename = "method")]
    _method: IgnoredAny,
}

/// How many calls a body holds: 1, or the entries of a batch.
pub(crate) fn entries(body: &[u8]) -> Result<u32, ApiError> {
    let not_json = |e: serde_json::Error| ApiError::new(code::PARSE, format!("the body is not JSON: {e}"));
    let no_request = |what: String| ApiError::new(code::INVALID_REQUEST, what);
    if body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
        let list: Vec<IgnoredAny> = serde_json::from_slice(body).map_err(not_json)?;
        return match u32::try_from(list.len()) {
            Ok(0) => Err(no_request("a batch holds at least one call".into())),
            Ok(calls) => Ok(calls),
            Err(_) => Ok(u32::MAX),
        };
    }
    match serde_json::from_slice::<Envelope<'_>>(body) {
        Ok(envelope) if envelope.jsonrpc == "2.0" => Ok(1),
        Ok(_) => Err(no_request("jsonrpc must be \"2.0\"".into())),
        Err(e) => {
            serde_json::from_slice::<IgnoredAny>(body).map_err(not_json)?;
            Err(no_request(format!("this is no JSON-RPC request: {e}")))
        }
    }
}

/// Hands a request of a good size to the JSON-RPC server.
async fn dispatch(shared: &Shared, request: axum::http::Request<Bytes>) -> Response {
    let config = ServerConfig::builder()
        .http_only()
        .max_request_body_size(shared.limits.max_request_bytes)
        .max_response_body_size(shared.limits.max_response_bytes)
        .set_batch_request_config(BatchRequestConfig::Limit(shared.limits.max_batch))
        .build();
    // Connections are counted where they are accepted; this guard is the library's and always has a place.
    let guard = ConnectionGuard::new(1);
    let Some(permit) = guard.try_acquire() else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, ApiError::new(code::OVERLOADED, "no place for a call"));
    };
    let (stop, _running) = stop_channel();
    let connection = ConnectionState::new(stop, 0, permit);
    let names = Arc::clone(&shared.names);
    let service = RpcServiceBuilder::new().layer_fn(move |inner| Known { inner, names: Arc::clone(&names) });
    let request = request.map(|bytes| server::HttpBody::new(Body::from(bytes)));
    let methods = shared.methods.clone();
    let response = server::http::call_with_service_builder(request, config, connection, methods, service).await;
    response.map(Body::new)
}

/// Answers calls of unknown methods with a hint; the rest goes through.
#[derive(Clone)]
struct Known<S> {
    inner: S,
    names: Arc<[&'static str]>,
}

impl<S> Known<S> {
    fn unknown(&self, method: &str) -> Option<ErrorObjectOwned> {
        if self.names.contains(&method) {
            return None;
        }
        let shown: String = method.chars().filter(|c| !c.is_control()).take(60).collect();
        let folded = |name: &str| name.to_lowercase().replace(['_', '.', '-'], "");
        let near = self.names.iter().find(|n| folded(n) == folded(method));
        let hint = near.map_or_else(String::new, |n| format!("; did you mean {n}?"));
        let error = ApiError::new(code::METHOD_NOT_FOUND, format!("there is no method {shown:?}{hint}")).about([shown]);
        Some(ErrorObjectOwned::owned(error.code, error.message, Some(error.data)))
    }
}

impl<S> RpcServiceT for Known<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Call<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        match self.unknown(&request.method) {
            Some(error) => Either::Left(std::future::ready(MethodResponse::error(request.id, error))),
            None => Either::Right(self.inner.call(request)),
        }
    }

    fn batch<'a>(&self, requests: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let entries = requests.into_iter().map(|entry| match entry {
            Ok(BatchEntry::Call(call)) => match self.unknown(&call.method) {
                Some(error) => Err(BatchEntryErr::new(call.id, error)),
                None => Ok(BatchEntry::Call(call)),
            },
            other => other,
        });
        self.inner.batch(Batch::from(entries.collect()))
    }

    fn notification<'a>(&self, n: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(n)
    }
}

async fn rpc_needs_post() -> Response {
    let error = ApiError::new(code::INVALID_REQUEST, "JSON-RPC is called with POST and content type application/json");
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, error);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

async fn ready(State(shared): State<Shared>, request: Request) -> Response {
    let verbose =
        request.uri().query().is_some_and(|q| q.split('&').any(|p| p == "verbose" || p.starts_with("verbose=")));
    let backend = Arc::clone(&shared.api.backend);
    let reasons = tokio::task::spawn_blocking(move || backend.readiness()).await;
    let reasons = reasons.unwrap_or_else(|_| vec!["the node could not be asked".into()]);
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let reasons = if verbose { reasons } else { Vec::new() };
    (status, Json(Readiness { ready, reasons })).into_response()
}

async fn nowhere(request: Request) -> Response {
    let path: String = request.uri().path().chars().filter(|c| !c.is_control()).take(100).collect();
    let hint = "POST /rpc is the JSON-RPC; / shows the chain; /livez, /readyz?verbose and /openrpc.json are the others";
    let body = json!({"error": format!("there is nothing at {path}"), "hint": hint});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
