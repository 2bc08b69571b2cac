//! The page at `/`: where the chain stands, for a person with a browser. No script, no outside resource, everything
//! that comes from the chain escaped.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use vostro_api::chain::{BlockLine, ChainStatus};
use vostro_api::text::{base64, time};
use vostro_crypto::sha256;
use vostro_types::Height;

use crate::chain::status;
use crate::http::Shared;
use crate::methods::Api;

/// Blocks shown.
const BLOCKS: usize = 10;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .75rem .25rem 0;vertical-align:top}\
code{word-break:break-all}.wide{overflow-x:auto}:root{color-scheme:light dark}";

/// Nothing but this page's own style, named by its hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = base64::print(&sha256(STYLE.as_bytes()).0);
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

pub(crate) async fn home(State(shared): State<Shared>) -> Response {
    let api = Arc::clone(&shared.api);
    let Ok(page) = tokio::task::spawn_blocking(move || draw(&api)).await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the node could not be asked\n").into_response();
    };
    let mut response = Html(page).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn draw(api: &Api) -> String {
    let status = status(api);
    let node = api.backend.node_info();
    let tip = Height(status.height);
    let heights = (0..BLOCKS as u64).filter_map(|back| tip.0.checked_sub(back)).take_while(|h| *h > 0);
    let blocks: Vec<BlockLine> =
        heights.map_while(|h| api.backend.block(Height(h))).map(|stored| api.block_line(&stored)).collect();
    page(&status, &node.name, &node.version, &blocks)
}

fn page(status: &ChainStatus, node: &str, version: &str, blocks: &[BlockLine]) -> String {
    let mut html = String::with_capacity(4096);
    let chain = escape(&status.chain_id);
    let state = if status.syncing { "catching up" } else { "at the tip" };
    let rows = [
        ("Chain", chain.clone()),
        ("Genesis", format!("<code>{}</code>", status.genesis_hash)),
        ("Node", format!("{} (version {}), {state}", escape(node), escape(version))),
        ("Height", status.height.to_string()),
        ("Block", format!("<code>{}</code>", status.block_hash)),
        ("State root", format!("<code>{}</code>", status.state_root)),
        ("Time of the tip", time::print(status.time)),
        (
            "Validators",
            format!(
                "{} of {} online, {} decide; {} more may fail",
                status.validators_online, status.validators, status.quorum, status.live_fault_budget
            ),
        ),
        ("Waiting transactions", status.pending_transactions.to_string()),
    ];
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{chain} at {}</title><style>{STYLE}</style></head><body><main><h1>{chain}</h1><table>",
        status.height
    );
    for (name, value) in rows {
        let _ = write!(html, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    html.push_str("</table><h2>Newest blocks</h2><div class=\"wide\"><table><tr>");
    for name in ["Height", "Time", "Proposer", "Signers", "Transactions", "Refused", "Deadlines", "Hash"] {
        let _ = write!(html, "<th scope=\"col\">{name}</th>");
    }
    html.push_str("</tr>");
    for b in blocks {
        let _ = write!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            b.height,
            time::print(b.time),
            escape(&b.proposer),
            b.signers,
            b.transactions,
            b.rejected,
            b.deadlines,
            b.hash.0.short()
        );
    }
    html.push_str(
        "</table></div><h2>For programs</h2><ul><li><code>POST /rpc</code> JSON-RPC 2.0</li>\
         <li><a href=\"/openrpc.json\">/openrpc.json</a> its methods</li>\
         <li><a href=\"/readyz?verbose\">/readyz?verbose</a> whether the node serves</li>\
         <li><a href=\"/livez\">/livez</a> whether the process lives</li></ul></main></body></html>\n",
    );
    html
}

/// Text for HTML: in content and in quoted attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
