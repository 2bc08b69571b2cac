//! What is sold and how it is split.

use crate::common::*;
use vostro_types::transaction::*;
use vostro_types::*;

pub(crate) fn tax(account: AccountId) -> TaxRule {
    TaxRule { rate: ppm(60_000), inclusive: false, account }
}

#[test]
fn plans() {
    fn one(share: Share) -> PlanLeg {
        PlanLeg { payee: Payee::Host, share, refund: RefundPolicy::Proportional }
    }
    fn borne(by: AccountId) -> Vec<PlanLeg> {
        vec![PlanLeg { refund: RefundPolicy::BorneBy(by), ..leg(Payee::Creator, 1_000_000) }]
    }
    check(
        &shop(),
        &[
            ("by a user", |w| w.run(w.alice, plan("x", 1, seventy())), (106, "sender")),
            ("version 0", |w| w.run(w.q, plan("x", 0, seventy())), (108, "version")),
            ("a gap", |w| w.run(w.q, plan("book", 3, seventy())), (504, "version")),
            ("the next version", |w| w.run(w.q, plan("book", 2, seventy())), APPLIED),
            ("again", |w| w.run(w.q, plan("book", 1, seventy())), REPLAYED),
            ("another body", |w| w.run(w.q, plan("book", 1, vec![leg(Payee::Host, 1_000_000)])), (502, "legs")),
            ("no legs", |w| w.run(w.q, plan("x", 1, vec![])), (601, "legs")),
            ("too many legs", |w| w.run(w.q, plan("x", 1, vec![leg(Payee::Host, 1); 17])), (601, "legs")),
            ("too little", |w| w.run(w.q, plan("x", 1, vec![leg(Payee::Host, 999_999)])), (601, "rates")),
            ("too much", |w| w.run(w.q, plan("x", 1, vec![leg(Payee::Host, 600_000); 2])), (601, "rates")),
            ("only fixed", |w| w.run(w.q, plan("x", 1, vec![one(Share::Fixed(fen(1)))])), (601, "rates")),
            ("a zero rate", |w| w.run(w.q, plan("x", 1, vec![leg(Payee::Host, 0)])), (601, "share")),
            ("a fixed zero", |w| w.run(w.q, plan("x", 1, vec![one(Share::Fixed(fen(0)))])), (601, "share")),
            (
                "fixed beyond amounts",
                |w| w.run(w.q, plan("x", 1, vec![one(Share::Fixed(Amount::MAX)); 2])),
                (202, "fixed"),
            ),
            (
                "to nobody",
                |w| w.run(w.q, plan("x", 1, vec![leg(Payee::Account(AccountId([9; 32])), 1_000_000)])),
                (401, "payee"),
            ),
            ("borne by nobody", |w| w.run(w.q, plan("x", 1, borne(AccountId([9; 32])))), (401, "bearer")),
            ("borne by a stranger", |w| w.run(w.q, plan("x", 1, borne(w.alice))), (107, "bearer")),
            ("borne by one who signs", |w| w.by(w.q, &[w.q, w.alice], plan("x", 1, borne(w.alice))), APPLIED),
            ("borne by its own user", |w| w.run(w.q, plan("x", 1, borne(w.dave))), (107, "bearer")),
            ("borne by itself", |w| w.run(w.q, plan("x", 1, borne(w.q))), APPLIED),
        ],
    );
}

#[test]
fn items() {
    fn with(w: &mut World, change: fn(&World, &mut RegisterItem)) -> Receipt {
        let mut action = RegisterItem { plan: label("book"), ..item("x", 1, w.carol) };
        change(w, &mut action);
        w.run(w.q, Action::RegisterItem(action))
    }
    fn again(i: &mut RegisterItem) {
        i.item = label("book");
    }
    check(
        &shop(),
        &[
            ("good", |w| with(w, |_, _| {}), APPLIED),
            ("by a user", |w| w.run(w.alice, Action::RegisterItem(item("x", 1, w.carol))), (106, "sender")),
            ("version 0", |w| with(w, |_, i| i.version = 0), (108, "version")),
            ("a gap", |w| with(w, |_, i| i.version = 2), (504, "version")),
            ("again", |w| with(w, |_, i| again(i)), REPLAYED),
            (
                "again with another price",
                |w| {
                    with(w, |w, i| {
                        again(i);
                        i.price = Price::Fixed(fen(1));
                        i.creator = w.dave;
                    })
                },
                (502, "price creator"),
            ),
            ("no such asset", |w| with(w, |_, i| i.asset = "EUR".parse().unwrap()), (203, "asset")),
            ("for nothing", |w| with(w, |_, i| i.price = Price::Fixed(fen(0))), (201, "price")),
            ("from nothing", |w| with(w, |_, i| i.price = Price::Open { min: fen(0), max: fen(9) }), (201, "price")),
            ("bounds crossed", |w| with(w, |_, i| i.price = Price::Open { min: fen(9), max: fen(8) }), (108, "price")),
            ("no units", |w| with(w, |_, i| i.terms.units = Some(0)), (108, "terms")),
            ("no time", |w| with(w, |_, i| i.terms.duration_ms = Some(0)), (108, "terms")),
            ("no plan", |w| with(w, |_, i| i.plan = label("none")), (401, "plan")),
            ("no plan version", |w| with(w, |_, i| i.plan_version = 2), (401, "plan")),
            ("another's plan", |w| with(w, |_, i| i.plan = label("own")), (401, "plan")),
            ("no creator", |w| with(w, |_, i| i.creator = AccountId([9; 32])), (401, "creator")),
            ("no tax account", |w| with(w, |_, i| i.tax = Some(tax(AccountId([9; 32])))), (401, "tax")),
            ("tax to a person", |w| with(w, |w, i| i.tax = Some(tax(w.alice))), (106, "tax")),
            ("taxed", |w| with(w, |w, i| i.tax = Some(tax(w.tax))), APPLIED),
        ],
    );
}
