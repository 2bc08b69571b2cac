//! Transfer.

use vostro_types::Event;
use vostro_types::transaction::Transfer;

use crate::authority::{Call, open_account, require_asset};
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::rejection::{Rejection, refuse};
use crate::{Done, above_zero, limits};

pub(crate) fn perform(call: &Call<'_>, action: &Transfer, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let (from, to, asset, amount) = (call.sender, action.to, action.asset, action.amount);
    above_zero(amount, "amount")?;
    if from == to {
        return Err(refuse::same_account("to"));
    }
    require_asset(reader, asset)?;
    let receiver = open_account(reader, to, "to")?;
    let network = crate::read::network(reader);
    let parameters = &network.parameters;
    limits::cooling(call.context, parameters, &receiver, amount)?;
    let outflow = limits::outflow(call.context, reader, parameters, from, &call.head, asset, amount)?;
    let mut books = Books::default();
    books.debit(reader, from, asset, amount, "sender")?;

    // Point of no return.
    outflow.commit(ledger);
    let reader: &dyn Reader = &*ledger;
    books.credit(reader, to, asset, amount);
    books.event(Event::Transferred { from, to, asset, amount, memo: action.memo });
    Ok(Done::Applied(books.commit(ledger)))
}
