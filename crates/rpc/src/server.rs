//! Sockets: listening, accepting within limits, and ending without cutting answers off.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use futures::future::BoxFuture;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::backend::Backend;
use crate::buffers::Impatient;
use crate::error::RpcError;
use crate::http;
use crate::limits::Limits;

/// How long connections may finish their answers after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(3);
/// Pause after a failed accept, such as when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of a request's head.
const MAX_HEAD: usize = 16 << 10;

/// Where and how to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcConfig {
    /// Address to listen on; loopback unless the operator decides otherwise. Port 0 picks a free one.
    pub listen: SocketAddr,
    /// Limits.
    pub limits: Limits,
    /// Origins whose pages may call from a browser; none by default.
    pub cors_origins: Vec<String>,
}

impl RpcConfig {
    /// The defaults at an address.
    pub fn new(listen: SocketAddr) -> Self {
        RpcConfig { listen, limits: Limits::default(), cors_origins: Vec::new() }
    }
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// The address it listens on, with the port that was picked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves when the server has stopped.
    pub async fn stopped(self) {
        // A panic in the accept loop ends the server like a stop does; the node's supervisor sees it in the log.
        if let Err(e) = self.task.await {
            tracing::error!(error = %e, "the HTTP server ended abnormally");
        }
    }
}

/// Serves the RPC until `shutdown` resolves.
///
/// # Errors
/// [`RpcError`] if the address cannot be listened on (it names the address), a limit is zero, or an origin is none.
pub async fn serve(
    config: RpcConfig,
    backend: Arc<dyn Backend>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Server, RpcError> {
    serve_wrapped(config, backend, shutdown, Arc::new(|connection| connection)).await
}

/// What a host makes of the future of each connection before it runs, such as one that measures it.
pub type Wrap = Arc<dyn Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync>;

/// [`serve`] with every connection's future wrapped.
///
/// # Errors
/// As [`serve`].
pub async fn serve_wrapped(
    config: RpcConfig,
    backend: Arc<dyn Backend>,
    shutdown: impl Future<Output = ()> + Send + 'static,
    wrap: Wrap,
) -> Result<Server, RpcError> {
    config.limits.check()?;
    let router = http::router(&config, backend)?;
    listen(config.listen, router, config.limits, Box::pin(shutdown), wrap).await
}

pub(crate) async fn listen(
    address: SocketAddr,
    router: Router,
    limits: Limits,
    shutdown: BoxFuture<'static, ()>,
    wrap: Wrap,
) -> Result<Server, RpcError> {
    let failed = |source| RpcError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Server { address, task: tokio::spawn(accept(listener, router, limits, shutdown, wrap)) })
}

async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut shutdown: BoxFuture<'static, ()>,
    wrap: Wrap,
) {
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    tracing::warn!(error = %e, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        // Above the limit a connection is closed at once: an answer would need the memory the limit protects.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::debug!(%peer, "too many connections");
            continue;
        };
        let _ = stream.set_nodelay(true); // a latency wish; the connection works without
        let service = router.clone().map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.map(axum::body::Body::new)
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(MAX_HEAD)
            .serve_connection(
                TokioIo::new(Impatient::new(stream, limits.write_timeout)),
                TowerToHyperService::new(service),
            );
        let watched = graceful.watcher().watch(connection);
        tokio::spawn(wrap(Box::pin(async move {
            if let Err(e) = watched.await {
                tracing::trace!(%peer, error = %e, "a connection ended early");
            }
            drop(place);
        })));
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections were cut off after the grace period");
    }
}
