//! FxConvert: a maker's signed quote is taken, both legs at once.
//!
//! Invariant: a quote is taken once, by whom it allows, at exactly its amounts; all is debited before anything is
//! credited, so nobody pays with what the exchange brings.

use vostro_crypto::{Domain, hash};
use vostro_types::codec::encode;
use vostro_types::transaction::FxConvert;
use vostro_types::{Event, FxQuote, Hash};

use crate::authority::{Call, open_account, require_active};
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::model::QuoteRecord;
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{ACCOUNTS, ASSETS, POLICIES, QUOTES};
use crate::{Done, above_zero, limits};

fn digest(quote: &FxQuote) -> Hash {
    hash(Domain::Object, &[b"quote", &encode(quote)])
}

pub(crate) fn perform(call: &Call<'_>, action: &FxConvert, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let (quote, taker) = (&action.quote, call.sender);
    let key = (quote.maker, quote.quote_id.clone());
    let record = QuoteRecord { tx: call.id(), taker, digest: digest(quote) };
    if let Some(old) = QUOTES.get(reader, &key) {
        if old.taker != taker {
            return Err(refuse::quote("quote_id"));
        }
        same_or_conflict(&[("quote", old.digest == record.digest)])?;
        return Ok(Done::Replayed(old.tx));
    }
    let maker = ACCOUNTS.get(reader, &quote.maker).ok_or_else(|| refuse::missing("maker"))?;
    if quote.maker == taker {
        return Err(refuse::same_account("maker"));
    }
    let policy = POLICIES.get(reader, &quote.maker).expect("every account has keys");
    if policy.weight_of(action.signatures.iter().map(|s| &s.key)) < policy.threshold() {
        return Err(refuse::threshold("maker"));
    }
    require_active(&maker, "maker")?;
    if quote.taker.is_some_and(|only| only != taker) {
        return Err(refuse::quote("taker"));
    }
    if quote.expires < call.context.time {
        return Err(refuse::quote("expires"));
    }
    above_zero(quote.gives, "gives")?;
    above_zero(quote.takes, "takes")?;
    for (asset, about) in [(quote.gives_asset, "gives_asset"), (quote.takes_asset, "takes_asset")] {
        if !ASSETS.contains(reader, &asset) {
            return Err(refuse::asset(about));
        }
    }
    if quote.gives_asset == quote.takes_asset {
        return Err(refuse::asset("takes_asset"));
    }
    open_account(reader, quote.spread_to, "spread_to")?;
    let pays = quote.takes.add(quote.spread).map_err(|_| refuse::overflow("spread"))?;
    let network = crate::read::network(reader);
    let parameters = &network.parameters;
    let flow =
        |account, head, asset, amount| limits::outflow(call.context, reader, parameters, account, head, asset, amount);
    let flows =
        [flow(taker, &call.head, quote.takes_asset, pays)?, flow(quote.maker, &maker, quote.gives_asset, quote.gives)?];
    let mut books = Books::default();
    books.debit(reader, taker, quote.takes_asset, pays, "sender")?;
    books.debit(reader, quote.maker, quote.gives_asset, quote.gives, "maker")?;

    // Point of no return.
    books.credit(reader, quote.maker, quote.takes_asset, quote.takes);
    books.credit(reader, quote.spread_to, quote.takes_asset, quote.spread);
    books.credit(reader, taker, quote.gives_asset, quote.gives);
    for flow in flows {
        flow.commit(ledger);
    }
    QUOTES.put(ledger, &key, &record);
    books.event(Event::FxConverted {
        maker: quote.maker,
        quote_id: key.1,
        taker,
        gives_asset: quote.gives_asset,
        gives: quote.gives,
        takes_asset: quote.takes_asset,
        takes: quote.takes,
        spread: quote.spread,
    });
    Ok(Done::Applied(books.commit(ledger)))
}
