//! The states of an order and what moves it from one to the next, in one table.
//!
//! Invariant: every action and every deadline that moves an order asks this table, a pair that is not in it is refused
//! (504 `order`), and docs/contract.md shows exactly what [`render`] makes of it.

use std::fmt::Write;

use vostro_types::receipt::OrderState;
use vostro_types::transaction::PayMode;

use crate::ledger::Reader;
use crate::model::Order;
use crate::rejection::{Rejection, refuse};

use OrderState::{Cleared, Disputed, Escrowed, Held, Maturing, PartRefunded, Refunded, Settled, Voided};

macro_rules! triggers {
    ($($(#[$doc:meta])* $name:ident $text:literal,)+) => {
        /// What may happen to an order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Trigger {
            $($(#[$doc])* $name,)+
        }

        impl Trigger {
            /// Every trigger.
            pub const ALL: &[Trigger] = &[$(Trigger::$name,)+];

            /// Its name for people.
            pub fn name(self) -> &'static str {
                match self { $(Trigger::$name => $text,)+ }
            }
        }
    };
}

triggers! {
    /// Pay or Charge: the legs are paid at once.
    PayInstant "Pay(Instant)",
    /// Pay into escrow.
    PayEscrow "Pay(Escrow)",
    /// Pay with a maturity.
    PayMaturing "Pay(Maturing)",
    /// Pay through the netting window.
    PayWindow "Pay(Window)",
    /// The same, when all legs are the origin's own.
    PayWindowOwn "Pay(Window), owing nobody",
    /// Hold.
    Hold "Hold",
    /// Capture.
    Capture "Capture",
    /// Void.
    Void "Void",
    /// Confirm.
    Confirm "Confirm",
    /// Its deadline.
    Due "deadline",
    /// SettleWindow of its window.
    SettleWindow "SettleWindow",
    /// Refund of less than all that may be refunded.
    RefundPart "Refund, part",
    /// Refund of all that may be refunded.
    RefundWhole "Refund, all",
    /// OpenDispute.
    OpenDispute "OpenDispute",
    /// Resolve: nothing goes back.
    ResolveNone "Resolve, nothing back",
    /// Resolve: part goes back.
    ResolvePart "Resolve, part back",
    /// Resolve: all that may be refunded goes back.
    ResolveWhole "Resolve, all back",
    /// Consume.
    Consume "Consume",
    /// ArchiveOrders; the order leaves its last state behind.
    Archive "ArchiveOrders",
}

/// What else must be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing.
    Always,
    /// The order waits for its deadline.
    Waits,
    /// It is an escrow and waits for its deadline.
    WaitsInEscrow,
    /// It does not wait.
    Rests,
}

impl When {
    fn holds(self, order: &Order) -> bool {
        match self {
            When::Always => true,
            When::Waits => order.due.is_some(),
            When::WaitsInEscrow => order.due.is_some() && order.mode == PayMode::Escrow,
            When::Rests => order.due.is_none(),
        }
    }

    fn mark(self) -> &'static str {
        match self {
            When::Always => "",
            When::Waits => " ¹",
            When::WaitsInEscrow => " ²",
            When::Rests => " ³",
        }
    }
}

/// A move of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// From this state; `None` if there is no such order yet.
    pub from: Option<OrderState>,
    /// By this.
    pub by: Trigger,
    /// To this state.
    pub to: OrderState,
    /// What else must be so.
    pub when: When,
}

const fn place(by: Trigger, to: OrderState) -> Row {
    Row { from: None, by, to, when: When::Always }
}

const fn row(from: OrderState, by: Trigger, to: OrderState) -> Row {
    Row { from: Some(from), by, to, when: When::Always }
}

const fn if_so(when: When, from: OrderState, by: Trigger, to: OrderState) -> Row {
    Row { from: Some(from), by, to, when }
}

/// Every state, in the order in which the table is shown.
pub const STATES: &[OrderState] =
    &[Held, Escrowed, Maturing, Cleared, Settled, Disputed, PartRefunded, Refunded, Voided];

/// Every move there is.
pub const TABLE: &[Row] = &[
    place(Trigger::PayInstant, Settled),
    place(Trigger::PayEscrow, Escrowed),
    place(Trigger::PayMaturing, Maturing),
    place(Trigger::PayWindow, Cleared),
    place(Trigger::PayWindowOwn, Settled),
    place(Trigger::Hold, Held),
    row(Held, Trigger::Capture, Settled),
    row(Held, Trigger::Void, Voided),
    row(Held, Trigger::Due, Voided),
    row(Escrowed, Trigger::Confirm, Settled),
    row(Escrowed, Trigger::Due, Settled),
    row(Escrowed, Trigger::RefundPart, PartRefunded),
    row(Escrowed, Trigger::RefundWhole, Refunded),
    row(Escrowed, Trigger::OpenDispute, Disputed),
    row(Escrowed, Trigger::Consume, Escrowed),
    row(Maturing, Trigger::Due, Settled),
    row(Maturing, Trigger::RefundPart, PartRefunded),
    row(Maturing, Trigger::RefundWhole, Refunded),
    row(Maturing, Trigger::OpenDispute, Disputed),
    row(Maturing, Trigger::Consume, Maturing),
    row(Cleared, Trigger::SettleWindow, Settled),
    row(Cleared, Trigger::Consume, Cleared),
    row(Settled, Trigger::RefundPart, PartRefunded),
    row(Settled, Trigger::RefundWhole, Refunded),
    row(Settled, Trigger::OpenDispute, Disputed),
    row(Settled, Trigger::Consume, Settled),
    row(Settled, Trigger::Archive, Settled),
    row(Disputed, Trigger::ResolveNone, Settled),
    row(Disputed, Trigger::ResolvePart, PartRefunded),
    row(Disputed, Trigger::ResolveWhole, Refunded),
    row(Disputed, Trigger::Due, Settled),
    if_so(When::WaitsInEscrow, PartRefunded, Trigger::Confirm, PartRefunded),
    if_so(When::Waits, PartRefunded, Trigger::Due, PartRefunded),
    row(PartRefunded, Trigger::RefundPart, PartRefunded),
    row(PartRefunded, Trigger::RefundWhole, Refunded),
    row(PartRefunded, Trigger::Consume, PartRefunded),
    if_so(When::Rests, PartRefunded, Trigger::Archive, PartRefunded),
    row(Refunded, Trigger::Archive, Refunded),
    row(Voided, Trigger::Archive, Voided),
];

fn find(from: Option<OrderState>, by: Trigger) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.from == from && row.by == by)
}

/// The state of an order that is placed; `owes` says whether an order of a window owes somebody.
pub(crate) fn placed(mode: PayMode, owes: bool) -> OrderState {
    let by = match mode {
        PayMode::Instant => Trigger::PayInstant,
        PayMode::Escrow => Trigger::PayEscrow,
        PayMode::Maturing(_) => Trigger::PayMaturing,
        PayMode::Window if owes => Trigger::PayWindow,
        PayMode::Window => Trigger::PayWindowOwn,
        PayMode::Hold => Trigger::Hold,
    };
    find(None, by).expect("every mode has its row").to
}

/// Where the trigger moves the order from the state it is in now, or the refusal (504).
pub(crate) fn next(reader: &dyn Reader, order: &Order, by: Trigger) -> Result<OrderState, Rejection> {
    let from = super::state(reader, order);
    find(Some(from), by).filter(|row| row.when.holds(order)).map(|row| row.to).ok_or_else(|| refuse::state("order"))
}

/// Whether any number of moves, none included, brings an order from one state to the other.
pub fn reachable(from: OrderState, to: OrderState) -> bool {
    let mut seen = vec![from];
    let mut at = 0;
    while let Some(state) = seen.get(at).copied() {
        for row in TABLE.iter().filter(|row| row.from == Some(state)) {
            if !seen.contains(&row.to) {
                seen.push(row.to);
            }
        }
        at += 1;
    }
    seen.contains(&to)
}

/// The table as Markdown: a diagram of the states, then what each trigger does in each of them.
pub fn render() -> String {
    let mut out = String::from("```mermaid\nstateDiagram-v2\n");
    let name = |state: Option<OrderState>| state.map_or("[*]", OrderState::name);
    for from in std::iter::once(None).chain(STATES.iter().copied().map(Some)) {
        for to in STATES {
            let triggers = TABLE.iter().filter(|row| row.from == from && row.to == *to && from != Some(row.to));
            let by: Vec<&str> = triggers.map(|row| row.by.name()).collect();
            if !by.is_empty() {
                let _ = writeln!(out, "    {} --> {}: {}", name(from), to.name(), by.join(" or "));
            }
        }
    }
    out.push_str("```\n\n| | none |");
    for state in STATES {
        let _ = write!(out, " {} |", state.name());
    }
    let _ = write!(out, "\n|---|{}\n", "---|".repeat(STATES.len() + 1));
    for by in Trigger::ALL {
        let _ = write!(out, "| {} |", by.name());
        for from in std::iter::once(None).chain(STATES.iter().copied().map(Some)) {
            let cell = match find(from, *by) {
                Some(row) if *by == Trigger::Archive => format!("archived{}", row.when.mark()),
                Some(row) if from == Some(row.to) => format!("stays{}", row.when.mark()),
                Some(row) => format!("{}{}", row.to.name(), row.when.mark()),
                None => "–".into(),
            };
            let _ = write!(out, " {cell} |");
        }
        out.push('\n');
    }
    out
}
