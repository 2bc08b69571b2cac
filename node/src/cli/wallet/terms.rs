//! How terms are written on a command line: percentages, spans, moments, legs of a plan, keys of an account.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use color_eyre::eyre::{Result, WrapErr};
use vostro_client::Chain;
use vostro_client::api::text::time;
use vostro_crypto::PublicKey;
use vostro_types::account::{KeyPolicy, WeightedKey};
use vostro_types::transaction::{Payee, PlanLeg, RefundPolicy, Share};
use vostro_types::{AccountId, Amount, Ppm, SecretKey, Time};

use super::super::keys;
use super::SendArgs;
use crate::output::Usage;

/// Keys that an account is to have.
#[derive(Args, Clone, Debug)]
pub struct NewKeys {
    /// A new key: name or path of a key file, BOOK.json#NAME, or 64 hex digits; :N behind it is its weight
    /// (repeatable). The new keys sign too, by their own threshold: those in files do it here
    #[arg(long = "new-key", required = true, value_name = "KEY[:WEIGHT]")]
    pub new_keys: Vec<String>,
    /// Weight that must sign from then on
    #[arg(long, default_value_t = 1)]
    pub threshold: u32,
}

impl NewKeys {
    /// The policy, and the secrets of those that are in files.
    pub(super) fn read(&self, send: &SendArgs) -> Result<(KeyPolicy, Vec<SecretKey>)> {
        let (mut policy, mut secrets) = (Vec::new(), Vec::new());
        for text in &self.new_keys {
            let weighted = text.rsplit_once(':').and_then(|(key, weight)| Some((key, weight.parse::<u16>().ok()?)));
            let (name, weight) = weighted.unwrap_or((text, 1));
            if let Ok(key) = name.parse::<PublicKey>() {
                policy.push(WeightedKey { key, weight });
            } else {
                let secret = keys::open(name, &send.signer.dir, &send.signer.password)?;
                policy.push(WeightedKey { key: secret.public(), weight });
                secrets.push(secret);
            }
        }
        Ok((KeyPolicy::new(self.threshold, policy).wrap_err("the new keys")?, secrets))
    }
}

/// The account that acts, or another one that was named.
pub(super) fn own_or(send: &SendArgs, chain: &Chain, named: Option<&str>) -> Result<AccountId> {
    named.map_or_else(|| send.signer.account(chain), |name| Ok(chain.account(name)?))
}

/// This computer's time.
pub(super) fn now() -> Result<Time> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).wrap_err("the clock is wrong")?;
    Ok(Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

/// A span of time in milliseconds: a number and ms, s, m, h or d.
pub(super) fn span(text: &str) -> Result<u64, Usage> {
    let wrong = || Usage(format!("a span is a number and ms, s, m, h or d, such as 30d, not {text:?}"));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    text[..digits].parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(wrong)
}

pub(super) fn moment(text: &str) -> Result<Time, Usage> {
    time::parse(text).map_err(Usage)
}

/// A share of the whole: a number up to 100 with at most four decimals, and %.
pub(super) fn percent(text: &str) -> Result<Ppm, Usage> {
    let wrong = || Usage(format!("a share is a number up to 100 and %, such as 12.5%, not {text:?}"));
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 4 {
        return Err(wrong());
    }
    let parts = |t: &str| t.parse::<u32>().ok();
    let ten_thousandths = parts(&format!("{part:0<4}")).ok_or_else(wrong)?;
    let ppm = parts(whole).and_then(|n| n.checked_mul(10_000)?.checked_add(ten_thousandths));
    ppm.and_then(Ppm::new).ok_or_else(wrong)
}

/// A name and a share of the whole: `NAME=60%`.
pub(super) fn named_share(text: &str) -> Result<(String, Ppm), Usage> {
    let (name, share) =
        text.split_once('=').ok_or_else(|| Usage(format!("a part is NAME=SHARE, such as acme=60%, not {text:?}")))?;
    Ok((name.into(), percent(share)?))
}

/// A leg of a plan as it is written: `PAYEE=SHARE[/REFUND]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegText {
    payee: String,
    share: Share,
    refund: Option<String>,
}

/// Reads a leg: the payee is creator, host, origin, network or an account; the share a percentage, or minor units; the
/// refund is `none`, or the account that bears it.
pub(super) fn leg(text: &str) -> Result<LegText, Usage> {
    let wrong = || {
        let form = "PAYEE=SHARE[/REFUND], such as creator=70%, host=20%/none, acme=30u/birch";
        Usage(format!("a leg is {form}, not {text:?}"))
    };
    let (payee, rest) = text.split_once('=').ok_or_else(wrong)?;
    let (share, refund) = rest.split_once('/').map_or((rest, None), |(share, refund)| (share, Some(refund.into())));
    let share = match share.strip_suffix('u') {
        Some(units) => Share::Fixed(units.parse().ok().and_then(|u| Amount::new(u).ok()).ok_or_else(wrong)?),
        None => Share::Rate(percent(share).map_err(|_| wrong())?),
    };
    Ok(LegText { payee: payee.into(), share, refund })
}

impl LegText {
    /// The leg, on a chain that knows the names.
    pub(super) fn on(&self, chain: &Chain) -> Result<PlanLeg> {
        let payee = match self.payee.as_str() {
            "creator" => Payee::Creator,
            "host" => Payee::Host,
            "origin" => Payee::Origin,
            "network" => Payee::Network,
            account => Payee::Account(chain.account(account)?),
        };
        let refund = match self.refund.as_deref() {
            None => RefundPolicy::Proportional,
            Some("none") => RefundPolicy::NonRefundable,
            Some(account) => RefundPolicy::BorneBy(chain.account(account)?),
        };
        Ok(PlanLeg { payee, share: self.share, refund })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn spans_are_read_whole_or_refused() {
        for (text, ms) in [("30d", 2_592_000_000), ("12h", 43_200_000), ("5m", 300_000), ("1s", 1000), ("7ms", 7)] {
            assert_eq!(span(text).unwrap(), ms);
        }
        for bad in ["", "d", "30", "30 d", "-1d", "1.5h", "1y", "99999999999999999999d", "999999999999999d", "日"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_are_exact_or_refused() {
        let good = [("0%", 0), ("70%", 700_000), ("12.5%", 125_000), ("0.0001%", 1), ("99.9999%", 999_999)];
        for (text, ppm) in good.into_iter().chain([("100%", 1_000_000), ("100.0%", 1_000_000)]) {
            assert_eq!(percent(text).unwrap().parts(), ppm, "{text}");
        }
        for bad in ["", "%", "70", "-1%", "+1%", ".5%", "5.%", "1.23456%", "100.0001%", "1e2%", "4294967296%", "٣%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
        assert_eq!(named_share("acme=60%").unwrap(), ("acme".into(), Ppm::new(600_000).unwrap()));
        assert!(named_share("60%").is_err() && named_share("acme=60").is_err());
    }

    #[test]
    fn legs_are_read_whole_or_refused() {
        let of = |payee: &str, share, refund: Option<&str>| LegText {
            payee: payee.into(),
            share,
            refund: refund.map(Into::into),
        };
        let rate = |ppm| Share::Rate(Ppm::new(ppm).unwrap());
        assert_eq!(leg("creator=70%").unwrap(), of("creator", rate(700_000), None));
        assert_eq!(leg("host=20%/none").unwrap(), of("host", rate(200_000), Some("none")));
        assert_eq!(leg("acme=30u/birch").unwrap(), of("acme", Share::Fixed(Amount::new(30).unwrap()), Some("birch")));
        for bad in ["", "creator", "creator=", "creator=70", "creator=u", "creator=-3u", "creator=2000000000000000000u"]
        {
            assert!(leg(bad).is_err(), "{bad}");
        }
    }
}
