//! A chain reached through the RPC of one or several of its nodes.
//!
//! Invariant: a call that a node cannot answer now goes to the next node with the same bytes; every node used is on the
//! same chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use color_eyre::eyre::{Report, Result, WrapErr, eyre};
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use vostro_client::api::action::mode_from_text;
use vostro_client::api::ledger::{AccountJson, OrderAnswer, OrderView};
use vostro_client::api::receipt::{OutcomeJson, ReceiptJson, Status};
use vostro_client::api::tx::SubmittedItem;
use vostro_client::api::{ApiError, code};
use vostro_client::{Chain, Client, ClientError, Signed};
use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, Hash, Label, Time, Transaction};

use super::ledger::{AccountFacts, Facts, Ledger, Money, OrderFacts, Standing, Verdict};

/// Reads under way at the same time.
const PARALLEL: usize = 16;
/// How long a call is tried on all nodes before it fails; enough for every node to be restarted.
const PATIENCE: Duration = Duration::from_secs(120);
/// First and longest pause between two tries.
const PAUSE: (Duration, Duration) = (Duration::from_millis(25), Duration::from_secs(1));
/// How long `submit_and_wait` waits for a block.
const WAIT: Duration = Duration::from_secs(15);

struct Node {
    client: Client,
    /// Whether it was seen to be on the chain.
    checked: AtomicBool,
}

struct Inner {
    nodes: Vec<Node>,
    current: AtomicUsize,
    chain: Chain,
}

/// A chain reached through RPC. Cheap to clone.
#[derive(Clone)]
pub struct RpcLedger(Arc<Inner>);

impl RpcLedger {
    /// Finds the chain that these nodes are on; the first that answers says which, unless it is pinned.
    ///
    /// # Errors
    /// A bad address, no node that answers, or a node on another chain.
    pub async fn connect(urls: &[String], pinned: Option<Hash>) -> Result<Self> {
        let mut clients = Vec::new();
        for url in urls {
            clients.push(Client::new(url)?.with_attempts(1));
        }
        let mut found: Option<Chain> = None;
        let mut last = eyre!("no node was named");
        let mut nodes = Vec::new();
        for client in clients {
            let checked = match client.chain(found.as_ref().map(|c| *c.genesis_hash()).or(pinned)).await {
                Ok(chain) => {
                    found.get_or_insert(chain);
                    true
                }
                Err(e @ ClientError::OtherChain { .. }) => {
                    return Err(Report::new(e).wrap_err(client.url().to_string()));
                }
                Err(e) => {
                    last = e.into();
                    false
                }
            };
            nodes.push(Node { client, checked: AtomicBool::new(checked) });
        }
        let chain = found.ok_or(last)?;
        let current = nodes.iter().position(|n| n.checked.load(Ordering::Relaxed)).unwrap_or(0);
        Ok(RpcLedger(Arc::new(Inner { nodes, current: AtomicUsize::new(current), chain })))
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.0.chain
    }

    /// Makes a call, on the next node whenever one cannot answer now.
    async fn ask<T, F, Fut>(&self, call: F) -> Result<T, ClientError>
    where
        F: Fn(Client) -> Fut + Send,
        Fut: Future<Output = Result<T, ClientError>> + Send,
    {
        let deadline = Instant::now() + PATIENCE;
        let (mut pause, longest) = PAUSE;
        loop {
            let at = self.0.current.load(Ordering::Relaxed) % self.0.nodes.len();
            let node = &self.0.nodes[at];
            let answer = async {
                if !node.checked.load(Ordering::Relaxed) {
                    node.client.chain(Some(*self.0.chain.genesis_hash())).await?;
                    node.checked.store(true, Ordering::Relaxed);
                }
                call(node.client.clone()).await
            }
            .await;
            match answer {
                Err(e)
                    if e.retryable()
                        && e.code() != Some(code::PENDING)
                        && !matches!(e, ClientError::StillPending { .. })
                        && Instant::now() < deadline =>
                {
                    tracing::debug!(node = node.client.url(), error = %e, "asking the next node");
                    // of several calls that fail together one moves on
                    let next = (at + 1) % self.0.nodes.len();
                    let _ = self.0.current.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
                answer => return answer,
            }
        }
    }

    /// Makes a read for each key, several at a time; the answers are in the keys' order.
    async fn each<K, T, F, Fut>(&self, keys: &[K], read: F) -> Result<Vec<T>>
    where
        K: Clone + Send + Sync + 'static,
        T: Send + 'static,
        F: Fn(RpcLedger, K) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<T>> + Send,
    {
        let keys: Arc<[K]> = keys.into();
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..PARALLEL.min(keys.len()) {
            let (keys, next, read, ledger) = (keys.clone(), next.clone(), read.clone(), self.clone());
            workers.spawn(async move {
                let mut answers = Vec::new();
                while let Some((at, key)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    keys.get(at).map(|key| (at, key.clone()))
                } {
                    answers.push((at, read(ledger.clone(), key).await?));
                }
                Ok::<_, Report>(answers)
            });
        }
        let mut all = Vec::with_capacity(keys.len());
        while let Some(joined) = workers.join_next().await {
            all.extend(joined.wrap_err("a reader stopped")??);
        }
        all.sort_by_key(|(at, _)| *at);
        Ok(all.into_iter().map(|(_, answer)| answer).collect())
    }

    async fn verdict(&self, signed: &Signed, item: SubmittedItem) -> Result<Verdict> {
        match (item.error, item.status) {
            (None, Status::Settled) => Ok(Verdict::Settled),
            (None, Status::Pending) => Ok(Verdict::Pending),
            (Some(e), _) if e.code == code::PENDING => Ok(Verdict::Pending),
            (Some(e), _) if e.data.retryable => Ok(Verdict::Busy),
            (Some(e), _) if e.code != code::DUPLICATE => Ok(refused(&e)),
            // executed before, and the answer does not say how: its receipt does
            (None, Status::Rejected) | (Some(_), _) => {
                let id = signed.id;
                match self.ask(|node| async move { node.receipt(&id).await }).await {
                    Ok(receipt) => Ok(of_receipt(&receipt)),
                    Err(e) if matches!(e.code(), Some(code::PENDING | code::NOT_FOUND)) => Ok(Verdict::Pending),
                    Err(e) => Err(e.into()),
                }
            }
        }
    }

    fn signed(&self, transaction: &Transaction) -> Signed {
        Signed::known(transaction.clone(), &self.0.chain)
    }

    fn account_facts(&self, account: &AccountJson) -> Result<AccountFacts> {
        let mut facts = AccountFacts { platform: Some(account.platform), ..AccountFacts::default() };
        for balance in &account.balances {
            let asset = self.0.chain.asset(balance.asset.as_str())?;
            let money = Money {
                available: balance.available.amount("available", Some(&asset))?,
                held: balance.held.amount("held", Some(&asset))?,
                collateral: balance.collateral.amount("collateral", Some(&asset))?,
            };
            facts.money.insert(balance.asset, money);
        }
        Ok(facts)
    }

    fn order_facts(&self, order: OrderView) -> Result<OrderFacts> {
        let asset = self.0.chain.asset(order.asset.as_str())?;
        Ok(OrderFacts {
            state: order.state,
            payer: order.payer,
            host: order.item.host,
            item: order.item.item,
            mode: mode_from_text(&order.mode)
                .ok_or_else(|| eyre!("the node says an order has mode {:?}", order.mode))?,
            asset: order.asset,
            total: order.total.amount("total", Some(&asset))?,
            due: order.due_at,
            window: order.window,
        })
    }
}

fn refused(error: &ApiError) -> Verdict {
    Verdict::Refused { code: error.contract_code().unwrap_or(108), reason: error.message.clone() }
}

/// How a receipt says it ended.
fn of_receipt(receipt: &ReceiptJson) -> Verdict {
    match &receipt.outcome {
        OutcomeJson::Applied | OutcomeJson::Replayed { .. } => Verdict::Settled,
        OutcomeJson::Rejected { code, about, .. } => refused(&ApiError::rejection(*code, about)),
    }
}

/// `None` where the node says there is no such thing.
fn found<T>(answer: Result<T, ClientError>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.code() == Some(code::NOT_FOUND) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

impl Ledger for RpcLedger {
    async fn facts(&self) -> Result<Facts> {
        let genesis = self.0.chain.genesis();
        Ok(Facts {
            chain: *self.0.chain.genesis_hash(),
            assets: genesis.assets.clone(),
            accounts: genesis.accounts.iter().map(|a| (a.name.to_string(), (a.id(), a.kind))).collect(),
        })
    }

    async fn time(&self) -> Result<Time> {
        Ok(self.ask(|node| async move { node.status().await }).await?.time)
    }

    async fn accounts(&self, ids: &[AccountId]) -> Result<Vec<Option<AccountFacts>>> {
        self.each(ids, |ledger, id| async move {
            let account = found(ledger.ask(|node| async move { node.account(&id).await }).await)?;
            account.map(|a| ledger.account_facts(&a)).transpose()
        })
        .await
    }

    async fn orders(&self, keys: &[OrderKey]) -> Result<Vec<Option<Standing>>> {
        self.each(keys, |ledger, key| async move {
            let (platform, order_id) = (key.platform.to_string(), key.order_id);
            let ask = |node: Client| {
                let (platform, order_id) = (platform.clone(), order_id.clone());
                async move { node.order_or_archived(&platform, &order_id, false).await }
            };
            Ok(match found(ledger.ask(ask).await)? {
                None => None,
                Some(OrderAnswer::Kept(order)) => Some(Standing::Kept(ledger.order_facts(*order)?)),
                Some(OrderAnswer::Archived(left)) => Some(Standing::Archived { state: left.state }),
            })
        })
        .await
    }

    async fn items(&self, items: &[(AccountId, Label)]) -> Result<Vec<bool>> {
        self.each(items, |ledger, (host, item)| async move {
            let params = json!({ "host": host.to_string(), "item": item.as_str() });
            let ask = |node: Client| {
                let params = params.clone();
                async move { node.call::<IgnoredAny>("item_get", params).await }
            };
            match ledger.ask(ask).await {
                // a node without the method does not know, and registering again changes nothing
                Err(e) if e.code() == Some(code::METHOD_NOT_FOUND) => Ok(false),
                answer => Ok(found(answer)?.is_some()),
            }
        })
        .await
    }

    async fn submit(&self, transactions: &[Transaction]) -> Result<Vec<Verdict>> {
        let signed: Arc<[Signed]> = transactions.iter().map(|t| self.signed(t)).collect();
        let ask = |node: Client| {
            let signed = signed.clone();
            async move { node.submit_batch(&signed).await }
        };
        let items = self.ask(ask).await?;
        let mut verdicts = Vec::with_capacity(items.len());
        for (signed, item) in signed.iter().zip(items) {
            verdicts.push(self.verdict(signed, item).await?);
        }
        Ok(verdicts)
    }

    async fn submit_and_wait(&self, transaction: &Transaction) -> Result<Verdict> {
        let signed = self.signed(transaction);
        let ask = |node: Client| {
            let signed = signed.clone();
            async move { node.submit_and_wait(&signed, WAIT).await }
        };
        match self.ask(ask).await {
            Ok(receipt) => Ok(of_receipt(&receipt)),
            Err(ClientError::StillPending { .. }) => Ok(Verdict::Pending),
            Err(ClientError::Rpc(e)) if e.code == code::DUPLICATE => Ok(Verdict::Pending),
            Err(ClientError::Rpc(e)) if e.contract_code().is_some() => Ok(refused(&e)),
            Err(e) => Err(e.into()),
        }
    }

    async fn decided(&self, transaction: &Transaction) -> Result<bool> {
        let id = self.signed(transaction).id;
        match self.ask(|node| async move { node.receipt(&id).await }).await {
            Ok(_) => Ok(true),
            Err(e) if matches!(e.code(), Some(code::PENDING | code::NOT_FOUND)) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn nobody_listening_is_said_in_one_sentence() {
        // port 9 of loopback: nothing listens there
        let error = RpcLedger::connect(&["http://127.0.0.1:9".to_string()], None).await.err().unwrap();
        assert!(crate::output::one_sentence(&error).contains("127.0.0.1:9"), "{error}");
        assert!(RpcLedger::connect(&[], None).await.is_err());
        assert!(RpcLedger::connect(&["ftp://x".to_string()], None).await.is_err());
    }
}
