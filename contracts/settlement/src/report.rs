//! AnchorReport: the hash of a reconciliation report stands on the ledger, so that nobody can change the report later.

use vostro_types::transaction::AnchorReport;
use vostro_types::{AccountKind, Event};

use crate::Done;
use crate::authority::Call;
use crate::books::Books;
use crate::ledger::{Ledger, Reader};
use crate::model::Report;
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::REPORTS;

pub(crate) fn perform(call: &Call<'_>, action: &AnchorReport, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    if !call.head.roles.auditor && call.head.kind != AccountKind::Gateway {
        return Err(refuse::role("sender"));
    }
    let key = (call.sender, action.channel.clone(), action.period.clone());
    if let Some(old) = REPORTS.get(reader, &key) {
        same_or_conflict(&[("root", old.root == action.root)])?;
        return Ok(Done::Replayed(old.tx));
    }

    // Point of no return.
    REPORTS.put(ledger, &key, &Report { tx: call.id(), root: action.root, at: call.context.time });
    let mut books = Books::default();
    books.event(Event::ReportAnchored { by: key.0, period: key.2, channel: key.1, root: action.root });
    Ok(Done::Applied(books.commit(ledger)))
}
