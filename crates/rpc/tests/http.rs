//! What hostile and clumsy clients meet at the socket.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vostro_api::code;
use vostro_client::{Client, ClientError};
use vostro_rpc::{Limits, RpcConfig, RpcError, serve, serve_metrics};

const STATUS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"chain_status"}"#;

async fn with(limits: Limits) -> Rig {
    Rig::start(RpcConfig { limits, ..config() }).await
}

fn address(rig: &Rig) -> String {
    rig.url.trim_start_matches("http://").to_string()
}

/// What the server sends before it closes or falls silent.
async fn first_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(b"}") {
        match tokio::time::timeout(Duration::from_secs(20), stream.read(&mut part)).await.unwrap() {
            Ok(n) if n > 0 => answer.extend_from_slice(&part[..n]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&answer).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_rpc_says_what_is_wrong() {
    let rig = Rig::start(config()).await;
    for (body, expected) in [
        ("", code::PARSE),
        ("garbage", code::PARSE),
        ("{\"jsonrpc\":\"2.0\",", code::PARSE),
        ("\u{0}\u{1}\u{2}", code::PARSE),
        ("[", code::PARSE),
        ("{}", code::INVALID_REQUEST),
        ("[]", code::INVALID_REQUEST),
        ("7", code::INVALID_REQUEST),
        (r#"{"jsonrpc":"1.0","id":1,"method":"chain_status"}"#, code::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1}"#, code::INVALID_REQUEST),
        (r#"{"jsonrpc":"2.0","id":1,"method":"chain_Status"}"#, code::METHOD_NOT_FOUND),
        (r#"{"jsonrpc":"2.0","id":1,"method":"admin_everything"}"#, code::METHOD_NOT_FOUND),
        (r#"{"jsonrpc":"2.0","id":1,"method":"chain_header","params":{}}"#, code::INVALID_PARAMS),
    ] {
        let (_, answer) = rig.raw(body).await;
        assert_eq!(answer["error"]["code"], json!(expected), "{body:?}: {answer}");
        assert_eq!(answer["jsonrpc"], json!("2.0"), "{body:?}");
    }
    let (_, near) = rig.raw(r#"{"jsonrpc":"2.0","id":1,"method":"chain_Status"}"#).await;
    assert_eq!(near["error"]["message"], json!("there is no method \"chain_Status\"; did you mean chain_status?"));
    assert_eq!(near["error"]["data"]["name"], json!("method_not_found"));

    // a batch answers each entry
    let batch = format!(r#"[{STATUS},{{"jsonrpc":"2.0","id":"x","method":"nope"}},7]"#);
    let (status, answers) = rig.raw(batch).await;
    let answers = answers.as_array().unwrap();
    assert_eq!((status, answers.len()), (200, 3));
    assert_eq!(answers[0]["result"]["height"], json!(0));
    assert_eq!((&answers[1]["error"]["code"], &answers[1]["id"]), (&json!(code::METHOD_NOT_FOUND), &json!("x")));
    assert_eq!(answers[2]["error"]["code"], json!(code::INVALID_REQUEST));

    // a page of another site cannot call with a form
    let form = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = form.post(format!("{}/rpc", rig.url)).body(STATUS).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 415);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_and_say_so() {
    let few = NonZeroU32::new(3).unwrap();
    let rig = with(Limits { max_request_bytes: 1000, max_batch: 2, ..Limits::default() }).await;
    let (status, answer) = rig.raw("x".repeat(1001)).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!(code::TOO_LARGE)), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("1000 bytes"), "{answer}");
    // the same without a length announced
    let mut stream = TcpStream::connect(address(&rig)).await.unwrap();
    let head = "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream
        .write_all(format!("{head}{}", format!("64\r\n{}\r\n", "y".repeat(100)).repeat(11)).as_bytes())
        .await
        .unwrap();
    let answer = first_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("too_large"), "{answer}");
    let (status, answer) = rig.raw(format!("[{STATUS},{STATUS},{STATUS}]")).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!(code::TOO_LARGE)), "{answer}");
    assert_eq!(rig.raw(STATUS).await.0, 200);
    rig.stop().await;

    let rig = with(Limits { calls_per_second: NonZeroU32::MIN, burst: few, ..Limits::default() }).await;
    let (status, _) = rig.raw(format!("[{STATUS},{STATUS},{STATUS}]")).await;
    assert_eq!(status, 200);
    let client = Client::new(&rig.url).unwrap().with_attempts(1);
    let mut refused = None;
    for _ in 0..50 {
        if let Err(e) = client.status().await {
            refused = Some(e);
            break;
        }
    }
    let refused = refused.unwrap();
    assert!(refused.retryable() && refused.code() == Some(code::OVERLOADED), "{refused}");
    // liveness does not count
    assert_eq!(rig.page("/livez").await.0, 200);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_than_places() {
    let rig = with(Limits { max_in_flight: 1, ..Limits::default() }).await;
    rig.furnish().await;
    rig.node.automatic.store(false, std::sync::atomic::Ordering::SeqCst);
    let pay = vostro_client::Draft::new(account_of(BUYER)).action(rig.pay("A-1"));
    let pay = pay.sign(&rig.chain, &[&secret(BUYER)]).unwrap();
    let client = rig.client.clone();
    let waiting = tokio::spawn(async move { client.submit_and_wait(&pay, Duration::from_secs(20)).await });
    let impatient = Client::new(&rig.url).unwrap().with_attempts(1);
    let mut refused = None;
    for _ in 0..400 {
        if let Err(e) = impatient.status().await {
            refused = Some(e);
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(refused.unwrap().code(), Some(code::OVERLOADED));
    rig.node.decide();
    assert!(waiting.await.unwrap().is_ok());
    assert!(rig.client.status().await.is_ok());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_connections_do_no_harm() {
    let limits = Limits { header_timeout: Duration::from_millis(200), max_connections: 8, ..Limits::default() };
    let rig = with(limits).await;
    // bytes that are no HTTP
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], &[0; 64], b"GET", &[0xff; 70_000]] {
        let mut stream = TcpStream::connect(address(&rig)).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut sink = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut sink)).await.unwrap();
    }
    // half-open connections fill every place until the header time-out frees them
    let mut slow = Vec::new();
    for _ in 0..12 {
        let mut stream = TcpStream::connect(address(&rig)).await.unwrap();
        let _ = stream.write_all(b"POST /rpc HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        slow.push(stream);
    }
    let mut answered = false;
    for _ in 0..200 {
        if rig.client.status().await.is_ok() {
            answered = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answered, "slow clients must not keep others out for ever");
    drop(slow);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_comes_is_given_up() {
    let rig = with(Limits { request_timeout: Duration::from_millis(200), ..Limits::default() }).await;
    let mut stream = TcpStream::connect(address(&rig)).await.unwrap();
    let head = "POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = first_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("timed_out"), "{answer}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_pages_and_nowhere() {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    assert_eq!(rig.page("/livez").await.2, "ok\n");
    assert_eq!(rig.page("/readyz").await.0, 200);
    rig.node.reasons.lock().unwrap().push("2 of 4 validators connected".into());
    let (status, _, body) = rig.page("/readyz").await;
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (503, json!({"ready": false, "reasons": []})));
    let (status, _, body) = rig.page("/readyz?verbose").await;
    assert_eq!(status, 503);
    assert!(body.contains("2 of 4 validators connected"), "{body}");
    assert_eq!(rig.page("/livez").await.0, 200, "liveness asks nobody");

    let (status, headers, html) = rig.page("/").await;
    assert_eq!(status, 200);
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "hostile text is shown as text");
    assert!(html.contains("test &lt;b&gt;&amp;&quot;&#39;"), "{html}");

    let (status, _, body) = rig.page("/rcp").await;
    assert_eq!(status, 404);
    assert!(body.contains("there is nothing at /rcp") && body.contains("POST /rpc"), "{body}");
    let (status, headers, _) = rig.page("/rpc").await;
    assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "POST"));
    assert!(!headers.contains_key("access-control-allow-origin"));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_call_from_listed_origins_only() {
    let rig = Rig::start(RpcConfig { cors_origins: vec!["http://localhost:3000".into()], ..config() }).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (origin, allowed) in [("http://localhost:3000", true), ("http://evil.example", false)] {
        let request = client.post(format!("{}/rpc", rig.url)).header("origin", origin);
        let response = request.header("content-type", "application/json").body(STATUS).send().await.unwrap();
        assert_eq!(response.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
    rig.stop().await;
    for bad in ["*", "localhost", "http://", "http://a/b"] {
        let node = FakeNode::new(genesis());
        let config = RpcConfig { cors_origins: vec![bad.into()], ..config() };
        let error = serve(config, node, std::future::pending()).await.unwrap_err();
        assert!(matches!(error, RpcError::Origin { .. }), "{bad}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_port_is_named() {
    let rig = Rig::start(config()).await;
    let taken: std::net::SocketAddr = address(&rig).parse().unwrap();
    let error = serve(RpcConfig::new(taken), FakeNode::new(genesis()), std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains(&taken.to_string()) && error.to_string().contains("in use"), "{error}");
    let registry = Arc::new(Mutex::new(prometheus_client::registry::Registry::default()));
    let error = serve_metrics(taken, registry, std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_on_their_own_port() {
    let mut registry = prometheus_client::registry::Registry::default();
    let height: prometheus_client::metrics::gauge::Gauge = Default::default();
    registry.register("vostro_height", "Height of the tip", height.clone());
    height.set(42);
    let any = "127.0.0.1:0".parse().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = serve_metrics(any, Arc::new(Mutex::new(registry)), async {
        let _ = stopped.await;
    })
    .await
    .unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |path: &'static str| client.get(format!("http://{}{path}", server.address())).send();
    let text = get("/metrics").await.unwrap().text().await.unwrap();
    assert!(text.contains("vostro_height 42") && text.ends_with("# EOF\n"), "{text}");
    assert_eq!(get("/").await.unwrap().status().as_u16(), 404);
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), server.stopped()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_a_transport_error() {
    let rig = Rig::start(config()).await;
    let client = Client::new(&rig.url).unwrap().with_attempts(2);
    assert!(client.status().await.is_ok());
    rig.stop().await;
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, ClientError::Transport { .. }) && error.retryable(), "{error}");
    for bad in ["127.0.0.1:1", "ftp://x", "https://x", ""] {
        assert!(matches!(Client::new(bad), Err(ClientError::Url { .. })), "{bad}");
    }
}
