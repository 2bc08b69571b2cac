//! One call: JSON-RPC over HTTP, with the answer's errors made typed, repeated where repeating is safe.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vostro_api::{ApiError, error::ErrorData};

use crate::error::ClientError;

/// Time for a call, unless the call itself waits for something.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Times a call is made before its transport error is given to the caller.
const ATTEMPTS: u32 = 4;
/// Pause before the second attempt; each further pause is three times as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Largest answer that is read.
const MAX_ANSWER: usize = 64 << 20;

/// A node's RPC. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    url: Arc<str>,
    next_id: Arc<AtomicU64>,
    attempts: u32,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    id: Value,
    result: Option<Value>,
    error: Option<RawError>,
}

#[derive(Deserialize)]
struct RawError {
    code: i32,
    message: String,
    data: Option<Value>,
}

impl RawError {
    fn typed(self) -> ApiError {
        let plain = ApiError::new(self.code, self.message);
        match self.data {
            Some(data) => match serde_json::from_value::<ErrorData>(data.clone()) {
                Ok(data) => ApiError { data, ..plain },
                Err(_) => {
                    let detail = data.as_str().map_or_else(|| data.to_string(), str::to_string);
                    ApiError { message: format!("{}: {detail}", plain.message), ..plain }
                }
            },
            None => plain,
        }
    }
}

impl Client {
    /// A client of the node at `url`, such as `http://127.0.0.1:26601`; the path `/rpc` is added if there is none.
    ///
    /// # Errors
    /// [`ClientError::Url`] for anything but an `http://` address.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let wrong = |reason: String| ClientError::Url { url: url.chars().take(200).collect(), reason };
        let mut parsed = reqwest::Url::parse(url).map_err(|e| wrong(e.to_string()))?;
        if parsed.scheme() != "http" {
            return Err(wrong("it must begin with http://".into()));
        }
        if parsed.path().is_empty() || parsed.path() == "/" {
            parsed.set_path("/rpc");
        }
        // Proxies of the environment are for the outside world; a node is on loopback or in the operator's network.
        let http = reqwest::Client::builder().no_proxy().build().map_err(|e| wrong(e.to_string()))?;
        Ok(Client { http, url: parsed.as_str().into(), next_id: Arc::new(AtomicU64::new(1)), attempts: ATTEMPTS })
    }

    /// How many times a call is made when no answer comes or the node says "later"; 1 for never again.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// The address calls go to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether the node says that it is ready to serve (`/readyz`). No answer means no.
    pub async fn is_ready(&self) -> bool {
        let Ok(mut url) = reqwest::Url::parse(&self.url) else { return false };
        url.set_path("/readyz");
        let answer = self.http.get(url).timeout(CALL_TIMEOUT).send().await;
        answer.is_ok_and(|response| response.status().is_success())
    }

    /// Calls any method. Every method of the RPC may be repeated, so this repeats on transport errors.
    ///
    /// # Errors
    /// [`ClientError`] if no answer came, the node refused, or the answer has another shape.
    pub async fn call<T: DeserializeOwned>(&self, method: &'static str, params: Value) -> Result<T, ClientError> {
        self.call_within(method, params, CALL_TIMEOUT).await
    }

    pub(crate) async fn call_within<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        let value = loop {
            match self.once(method, &params, timeout).await {
                // "Still pending" is an answer: whoever asked decides how long to wait.
                Err(e) if e.retryable() && e.code() != Some(vostro_api::code::PENDING) && attempt < self.attempts => {
                    tokio::time::sleep(pause).await;
                    pause *= 3;
                    attempt += 1;
                }
                answer => break answer?,
            }
        };
        serde_json::from_value(value).map_err(|e| ClientError::Shape { method, reason: e.to_string() })
    }

    async fn once(&self, method: &'static str, params: &Value, timeout: Duration) -> Result<Value, ClientError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let broken = |e: reqwest::Error| ClientError::Transport { url: self.url.to_string(), reason: cause(&e) };
        let mut response = self.http.post(&*self.url).json(&request).timeout(timeout).send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(ClientError::Shape { method, reason: format!("more than {MAX_ANSWER} bytes") });
            }
            bytes.extend_from_slice(&chunk);
        }
        let parsed = serde_json::from_slice::<Response>(&bytes).map_err(|_| ClientError::NotRpc {
            url: self.url.to_string(),
            status,
            body: String::from_utf8_lossy(&bytes).chars().filter(|c| !c.is_control()).take(200).collect(),
        })?;
        match (parsed.result, parsed.error) {
            (_, Some(error)) => Err(ClientError::Rpc(error.typed())),
            (Some(result), None) if parsed.id == id => Ok(result),
            (Some(_), None) => Err(ClientError::Shape { method, reason: "the answer is for another call".into() }),
            // `null` is a result too, but none of our methods has it.
            (None, None) => Err(ClientError::Shape { method, reason: "neither result nor error".into() }),
        }
    }
}

/// The innermost cause, which is what a person can act on ("Connection refused").
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".into();
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
