//! The order file as rows.
//!
//! Invariant: every line after the header becomes exactly one row or one bad row, whatever its bytes; a bad line
//! touches no other. A record is one line, so a stray quote cannot swallow its neighbours.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vostro_client::api::action::mode_from_text;
use vostro_types::transaction::PayMode;
use vostro_types::{Amount, Asset, AssetCode, DecimalError, Label};

/// The columns, in the order in which files usually have them. Their order in a file is its header's.
pub const COLUMNS: [&str; 10] =
    ["order_id", "placed_at", "buyer", "origin", "host", "creator", "item", "asset", "amount", "mode"];
/// Longest line in bytes.
pub const MAX_LINE: usize = 4096;

/// Codes of bad rows: the contract's own numbers for the same faults (SETTLEMENT §9).
pub mod code {
    /// The same row twice.
    pub const DUPLICATE: u16 = 104;
    /// Not a row: blank, too few columns, not a number, not a name, unknown mode.
    pub const MALFORMED: u16 = 108;
    /// An amount of zero or below.
    pub const ZERO_AMOUNT: u16 = 201;
    /// An amount above 10^18 minor units.
    pub const OVERFLOW: u16 = 202;
    /// No such asset.
    pub const ASSET: u16 = 203;
    /// No such platform.
    pub const MISSING: u16 = 401;
    /// An order id that another row with other content has.
    pub const CONFLICT: u16 = 502;
}

/// A good row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: u64,
    /// The order's name at its origin.
    pub order_id: Label,
    /// Who buys.
    pub buyer: Label,
    /// The platform that sells.
    pub origin: Label,
    /// The platform that hosts.
    pub host: Label,
    /// Who made it.
    pub creator: Label,
    /// The item's name on the ledger: `CREATOR/ITEM`, and `@ASSET` behind for assets other than the chain's first.
    pub item: Label,
    /// Asset of the amount.
    pub asset: AssetCode,
    /// What the buyer pays.
    pub amount: Amount,
    /// When it settles.
    pub mode: PayMode,
}

/// A row that cannot be an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BadRow {
    /// Line in the file, from 1.
    pub line: u64,
    /// A number of [`code`], or the contract's code when the chain refused.
    pub code: u16,
    /// Why, in words.
    pub reason: String,
}

/// Reads an order file. `platforms` and `assets` are those of the chain; `placed_at` is informative and not read.
pub fn parse_orders(file: &[u8], platforms: &BTreeSet<String>, assets: &[Asset]) -> Vec<Result<Row, BadRow>> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut lines = file.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).zip(1u64..);
    let bad = |line, code, reason: String| BadRow { line, code, reason };
    let header = lines.next().map(|(l, _)| fields(l));
    let columns = match header.unwrap_or_else(|| Err("the file is empty".into())).and_then(|h| Columns::of(&h)) {
        Ok(columns) => columns,
        Err(reason) => return vec![Err(bad(1, code::MALFORMED, reason))],
    };
    let mut rest: Vec<(&[u8], u64)> = lines.collect();
    // what follows the last line's end is not a line
    if rest.last().is_some_and(|(l, _)| l.is_empty()) {
        rest.pop();
    }
    let mut seen: BTreeMap<Label, Row> = BTreeMap::new();
    let mut judge = |text: &[u8], line: u64| -> Result<Row, BadRow> {
        let row = columns.row(text, line, platforms, assets).map_err(|(code, reason)| bad(line, code, reason))?;
        if let Some(first) = seen.get(&row.order_id) {
            let same = Row { line: first.line, ..row.clone() } == *first;
            let (code, how) = if same { (code::DUPLICATE, "the same row") } else { (code::CONFLICT, "another row") };
            return Err(bad(line, code, format!("order_id {} is that of {how} on line {}", row.order_id, first.line)));
        }
        seen.insert(row.order_id.clone(), row.clone());
        Ok(row)
    };
    rest.into_iter().map(|(text, line)| judge(text, line)).collect()
}

/// Where each column stands.
struct Columns {
    at: [usize; COLUMNS.len()],
    width: usize,
}

impl Columns {
    fn of(header: &[String]) -> Result<Self, String> {
        let mut at = [0; COLUMNS.len()];
        for (slot, name) in at.iter_mut().zip(COLUMNS) {
            let mut places = header.iter().enumerate().filter(|(_, h)| h.trim() == name);
            *slot = places.next().map(|(i, _)| i).ok_or_else(|| format!("the header has no column {name}"))?;
            if places.next().is_some() {
                return Err(format!("the header has column {name} twice"));
            }
        }
        Ok(Columns { at, width: header.len() })
    }

    fn row(
        &self,
        text: &[u8],
        line: u64,
        platforms: &BTreeSet<String>,
        assets: &[Asset],
    ) -> Result<Row, (u16, String)> {
        let malformed = |reason: String| (code::MALFORMED, reason);
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(malformed("the line is blank".into()));
        }
        let fields = fields(text).map_err(malformed)?;
        if fields.len() != self.width {
            return Err(malformed(format!("{} columns, not {}", fields.len(), self.width)));
        }
        let [order_id, _placed_at, buyer, origin, host, creator, item, asset, amount, mode] =
            self.at.map(|i| fields[i].trim());
        let label = |column: &str, text: &str| Label::new(text).map_err(|e| malformed(format!("{column}: {e}")));
        let platform = |column: &str, text: &str| {
            let name = label(column, text)?;
            match platforms.contains(text) {
                true => Ok(name),
                false => Err((code::MISSING, format!("{column}: no platform is named {name}"))),
            }
        };
        let order_id = label("order_id", order_id)?;
        let buyer = label("buyer", buyer)?;
        let creator = label("creator", creator)?;
        label("item", item)?;
        // they separate the parts of the item's name on the ledger
        if creator.as_str().contains('/') || item.contains('@') {
            return Err(malformed("a creator's name has no '/' and an item's no '@'".into()));
        }
        let (origin, host) = (platform("origin", origin)?, platform("host", host)?);
        let unknown = || (code::ASSET, format!("asset: the chain has no {}", shown(asset)));
        let found = asset.parse::<AssetCode>().ok().and_then(|c| assets.iter().find(|a| a.code == c));
        let asset = found.ok_or_else(unknown)?;
        let amount = parse_amount(amount, asset)?;
        let mode = parse_mode(mode).map_err(malformed)?;
        let first = assets.first().is_some_and(|a| a.code == asset.code);
        let item = if first { format!("{creator}/{item}") } else { format!("{creator}/{item}@{}", asset.code) };
        let item = label("creator and item together", &item)?;
        Ok(Row { line, order_id, buyer, origin, host, creator, item, asset: asset.code, amount, mode })
    }
}

fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

/// The fields of one line.
fn fields(text: &[u8]) -> Result<Vec<String>, String> {
    if text.len() > MAX_LINE {
        return Err(format!("the line has {} bytes, more than {MAX_LINE}", text.len()));
    }
    // to a CSV reader it would end the record, and what follows would be lost
    if text.contains(&b'\r') {
        return Err("a carriage return stands inside the line".into());
    }
    if text.iter().filter(|b| **b == b'"').count() % 2 != 0 {
        return Err("a quote is not closed on its line".into());
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).buffer_capacity(text.len() + 1).from_reader(text);
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(_) => Ok(record.iter().map(str::to_string).collect()),
        Err(e) if matches!(e.kind(), csv::ErrorKind::Utf8 { .. }) => Err("the line is not UTF-8".into()),
        Err(e) => Err(format!("the line is not CSV: {e}")),
    }
}

fn parse_amount(text: &str, asset: &Asset) -> Result<Amount, (u16, String)> {
    let parse = |text: &str| {
        asset.parse(text).map_err(|e| match e {
            DecimalError::TooLarge { .. } => (code::OVERFLOW, format!("amount: {e}")),
            _ => (code::MALFORMED, format!("amount: {e}")),
        })
    };
    // only a text that is a number behind its sign is a negative amount
    if let Some(positive) = text.strip_prefix('-') {
        return match parse(positive) {
            Err((code::MALFORMED, _)) => Err((code::MALFORMED, format!("amount: {} is not a number", shown(text)))),
            _ => Err((code::ZERO_AMOUNT, format!("amount: {} is not above zero", shown(text)))),
        };
    }
    match parse(text)? {
        amount if amount.is_zero() => Err((code::ZERO_AMOUNT, format!("amount: {} is not above zero", shown(text)))),
        amount => Ok(amount),
    }
}

fn parse_mode(text: &str) -> Result<PayMode, String> {
    mode_from_text(text)
        .filter(|mode| !matches!(mode, PayMode::Maturing(0) | PayMode::Hold))
        .ok_or_else(|| format!("mode: {} is not instant, escrow, t+N or window", shown(text)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "order_id,placed_at,buyer,origin,host,creator,item,asset,amount,mode";

    fn chain() -> (BTreeSet<String>, Vec<Asset>) {
        let platforms = ["northwind", "lantern"].map(String::from).into();
        let asset = |code: &str, scale| Asset::new(code.parse().unwrap(), scale).unwrap();
        (platforms, vec![asset("CNY", 2), asset("JPY", 0)])
    }

    fn parse(lines: &str) -> Vec<Result<Row, BadRow>> {
        let (platforms, assets) = chain();
        parse_orders(format!("{HEADER}\n{lines}").as_bytes(), &platforms, &assets)
    }

    fn row(id: &str, amount: &str, mode: &str) -> String {
        format!("{id},1997-01-01,c1,northwind,lantern,creator-1,cds-1,CNY,{amount},{mode}\n")
    }

    #[test]
    fn good_rows_in_every_mode() {
        let text = ["instant", "escrow", "t+1", "t+65535", "window"].map(|m| row(m, "29.33", m)).concat();
        let rows: Vec<Row> = parse(&text).into_iter().map(Result::unwrap).collect();
        let modes: Vec<PayMode> = rows.iter().map(|r| r.mode).collect();
        let expected =
            [PayMode::Instant, PayMode::Escrow, PayMode::Maturing(1), PayMode::Maturing(65535), PayMode::Window];
        assert_eq!(modes, expected);
        assert_eq!(rows[0].amount.units(), 2933);
        assert_eq!((rows[0].line, rows[4].line), (2, 6));
        assert_eq!(rows[0].item.as_str(), "creator-1/cds-1");
    }

    #[test]
    fn each_fault_has_its_code_and_disturbs_nothing() {
        let faults: [(&str, u16, &str); 27] = [
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,1.00,instant\rx", 108, "carriage return"),
            ("x,1997-01-01,c1,northwind,lantern,k/l,i,CNY,1.00,instant", 108, "no '/'"),
            ("x,1997-01-01,c1,northwind,lantern,k,i@JPY,CNY,1.00,instant", 108, "no '@'"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,0.00,instant", 201, "not above zero"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,-0,instant", 201, "not above zero"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,-5.00,instant", 201, "not above zero"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,--5,instant", 108, "not a number"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,ten,instant", 108, "amount"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,,instant", 108, "amount"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,1e3,instant", 108, "amount"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,1.005,instant", 108, "digits after the point"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,99999999999999999999,instant", 202, "10^18"),
            ("x,1997-01-01,c1,atlantis,lantern,k,i,CNY,1.00,instant", 401, "origin: no platform is named atlantis"),
            ("x,1997-01-01,c1,northwind,atlantis,k,i,CNY,1.00,instant", 401, "host"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,XXX,1.00,instant", 203, "the chain has no \"XXX\""),
            ("x,1997-01-01,c1,northwind,lantern,k,i,cny,1.00,instant", 203, "asset"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,1.00,later", 108, "mode"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,1.00,t+0", 108, "mode"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,1.00,t++1", 108, "mode"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,1.00,t+65536", 108, "mode"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,1.00", 108, "9 columns, not 10"),
            ("x,1997-01-01,c1,northwind,lantern,k,i,CNY,1.00,instant,more", 108, "11 columns"),
            ("", 108, "blank"),
            (" \t ", 108, "blank"),
            (",1997-01-01,c1,northwind,lantern,k,i,CNY,1.00,instant", 108, "order_id"),
            ("\"x,1997-01-01,c1,northwind,lantern,k,i,CNY,1.00,instant", 108, "quote"),
            ("x,1997-01-01,c\u{7}1,northwind,lantern,k,i,CNY,1.00,instant", 108, "buyer"),
        ];
        for (line, code, words) in faults {
            let text = format!("{}{line}\n{}", row("a", "1.00", "instant"), row("b", "2.00", "instant"));
            let rows = parse(&text);
            assert_eq!(rows.len(), 3, "{line}");
            let bad = rows[1].clone().unwrap_err();
            assert_eq!((bad.line, bad.code), (3, code), "{line}: {}", bad.reason);
            assert!(bad.reason.contains(words), "{line}: {}", bad.reason);
            assert!(rows[0].is_ok() && rows[2].is_ok(), "{line}");
        }
    }

    #[test]
    fn the_first_good_row_owns_its_order_id() {
        let text = [
            row("a", "0.00", "instant"),
            row("a", "1.00", "instant"),
            row("a", "1.00", "instant"),
            row("a", "2.00", "instant"),
        ];
        let rows = parse(&text.concat());
        assert_eq!(rows[0].clone().unwrap_err().code, 201);
        assert!(rows[1].is_ok());
        assert_eq!(rows[2].clone().unwrap_err().code, 104);
        let conflict = rows[3].clone().unwrap_err();
        assert_eq!((conflict.code, conflict.line), (502, 5));
        assert!(conflict.reason.contains("line 3"), "{}", conflict.reason);
    }

    #[test]
    fn ends_of_lines_marks_and_quotes() {
        let (platforms, assets) = chain();
        let text = format!("\u{feff}{HEADER}\r\n{}", row("\"a\"", "\"1.00\"", "instant").replace('\n', "\r\n"));
        let rows = parse_orders(text.as_bytes(), &platforms, &assets);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].as_ref().unwrap().order_id.as_str(), "a");
        assert_eq!(parse("").len(), 0);
        assert_eq!(parse(row("a", "1", "instant").trim_end()).len(), 1, "the last line needs no end");
        assert_eq!(parse(&format!("{}\n", row("a", "1", "instant"))).len(), 2, "one blank line at the end");
    }

    #[test]
    fn columns_stand_where_the_header_says() {
        let (platforms, assets) = chain();
        let text = "mode,amount,asset,item,creator,host,origin,buyer,placed_at,order_id,note\n\
                    instant,7,JPY,i,k,lantern,northwind,c1,,x,hello\n";
        let row = parse_orders(text.as_bytes(), &platforms, &assets).remove(0).unwrap();
        assert_eq!((row.amount.units(), row.item.as_str()), (7, "k/i@JPY"));
        for header in ["", "order_id,amount", &format!("{HEADER},mode")] {
            let rows = parse_orders(header.as_bytes(), &platforms, &assets);
            assert!(rows.len() == 1 && rows[0].is_err(), "{header}");
        }
    }

    #[test]
    fn the_sample_has_eight_bad_rows() {
        let platforms = ["northwind", "lantern", "quill", "harbor"].map(String::from).into();
        let assets = [Asset::new("USD".parse().unwrap(), 2).unwrap()];
        let rows = parse_orders(crate::cli::orders::SAMPLE, &platforms, &assets);
        assert_eq!(rows.len(), 6919);
        let bad: Vec<BadRow> = rows.into_iter().filter_map(Result::err).collect();
        assert_eq!(bad.len(), 8);
        assert!(bad.iter().all(|b| b.code == 201));
    }

    proptest! {
        #[test]
        fn any_bytes_give_one_answer_a_line(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let (platforms, assets) = chain();
            parse_orders(&bytes, &platforms, &assets);
            let mut file = HEADER.as_bytes().to_vec();
            file.push(b'\n');
            file.extend_from_slice(&bytes);
            let rows = parse_orders(&file, &platforms, &assets);
            let ends = bytes.iter().filter(|b| **b == b'\n').count();
            let open = !matches!(bytes.last(), None | Some(b'\n') | Some(b'\r'));
            prop_assert!(rows.len() >= ends && rows.len() <= ends + 1);
            if open {
                prop_assert_eq!(rows.len(), ends + 1);
            }
            for (row, line) in rows.iter().zip(2u64..) {
                let at = match row { Ok(r) => r.line, Err(b) => b.line };
                prop_assert_eq!(at, line);
            }
        }

        #[test]
        fn near_misses_never_panic(
            parts in prop::collection::vec("[a-z0-9+.,\"\\-@/ ]{0,12}|CNY|JPY|northwind|lantern|instant|t\\+1|1\\.00", 0..14)
        ) {
            let line = parts.join(",");
            for row in parse(&line).into_iter().flatten() {
                prop_assert!(!row.amount.is_zero());
                prop_assert!(row.item.as_str().len() <= Label::MAX);
            }
        }
    }
}
