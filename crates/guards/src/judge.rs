//! Holds measured instruction counts against those that were committed.
//!
//! Invariant: a guard fails if it grew by more than the tolerance, if the file does not know it, or if it was not run;
//! nothing else fails, and what fails is named.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Growth in percent that a new file allows; docs/performance.md says why this much.
pub const TOLERANCE_PERCENT: u64 = 3;
const HEAD: &str = "# Instructions of each guard, as callgrind counts them. Written by `scripts/guards --update`; see docs/performance.md.\n\n";

/// The committed file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Growth in percent that does not fail.
    pub tolerance_percent: u64,
    /// What the counts depend on besides this project's code, by name.
    pub made_with: BTreeMap<String, String>,
    /// Instructions by guard.
    pub instructions: BTreeMap<String, u64>,
}

/// What the measurement or the file lacks.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A line of gungraun's output is not a benchmark's summary.
    Summary {
        /// Number of the line, from one.
        line: usize,
        /// What it lacks.
        lacks: &'static str,
    },
    /// The committed file does not parse.
    File {
        /// What the parser says.
        reason: String,
    },
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unreadable::Summary { line, lacks } => write!(f, "line {line} of the measurement has no {lacks}"),
            Unreadable::File { reason } => write!(f, "the file of expected counts: {reason}"),
        }
    }
}

/// Instructions by guard, `group::function`, from the JSON lines that gungraun prints.
///
/// # Errors
/// [`Unreadable::Summary`] names the first line that is none.
pub fn measured(lines: &str) -> Result<BTreeMap<String, u64>, Unreadable> {
    let one = |(at, text): (usize, &str)| {
        let lacks = |lacks: &'static str| Unreadable::Summary { line: at + 1, lacks };
        let summary: serde_json::Value = serde_json::from_str(text).map_err(|_| lacks("JSON"))?;
        let name = |field: &'static str| summary[field].as_str().ok_or_else(|| lacks(field));
        let count = &summary["profiles"][0]["data"]["total"]["metrics"]["Ir"]["values"]["new"];
        let count = count.as_u64().ok_or_else(|| lacks("count of instructions"))?;
        Ok((format!("{}::{}", name("group")?, name("function_name")?), count))
    };
    lines.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()).map(one).collect()
}

/// What became of a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the tolerance.
    Same,
    /// Smaller by more than the tolerance: worth a new count, so that it does not grow back unseen.
    Shrank,
    /// Larger by more than the tolerance.
    Grew,
    /// The file has no count for it.
    Unknown,
    /// The file has a count and nothing was measured.
    Missing,
}

impl Verdict {
    /// Whether the guard fails.
    pub fn fails(self) -> bool {
        matches!(self, Verdict::Grew | Verdict::Unknown | Verdict::Missing)
    }
}

/// A guard's row in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The guard.
    pub name: String,
    /// Instructions in the file.
    pub expected: Option<u64>,
    /// Instructions now.
    pub measured: Option<u64>,
    /// What follows.
    pub verdict: Verdict,
}

impl Expected {
    /// Reads the committed file.
    ///
    /// # Errors
    /// [`Unreadable::File`].
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        toml::from_str(text).map_err(|e| Unreadable::File { reason: e.to_string() })
    }

    /// The file's text.
    pub fn text(&self) -> String {
        format!("{HEAD}{}", toml::to_string(self).expect("numbers and names"))
    }

    /// Every guard of the file and of the measurement.
    pub fn judge(&self, measured: &BTreeMap<String, u64>) -> Vec<Row> {
        let mut names: Vec<&String> = self.instructions.keys().chain(measured.keys()).collect();
        names.sort();
        names.dedup();
        let row = |name: &String| {
            let (expected, measured) = (self.instructions.get(name).copied(), measured.get(name).copied());
            let verdict = match (expected, measured) {
                (Some(before), Some(now)) => self.compare(before, now),
                (None, _) => Verdict::Unknown,
                (_, None) => Verdict::Missing,
            };
            Row { name: name.clone(), expected, measured, verdict }
        };
        names.into_iter().map(row).collect()
    }

    fn compare(&self, before: u64, now: u64) -> Verdict {
        let (low, high) =
            (100u128.saturating_sub(self.tolerance_percent.into()), 100 + u128::from(self.tolerance_percent));
        let (before, now) = (u128::from(before), u128::from(now) * 100);
        if now > before * high {
            Verdict::Grew
        } else if now < before * low {
            Verdict::Shrank
        } else {
            Verdict::Same
        }
    }

    /// What the counts depend on and is not as it was: name, then, now.
    pub fn otherwise<'a>(&'a self, now: &'a BTreeMap<String, String>) -> Vec<(&'a str, &'a str, &'a str)> {
        let differs = |(name, now): (&'a String, &'a String)| {
            let then = self.made_with.get(name).map_or("", String::as_str);
            (then != now).then_some((name.as_str(), then, now.as_str()))
        };
        now.iter().filter_map(differs).collect()
    }
}

/// The rows as a table for people.
pub fn table(rows: &[Row]) -> String {
    let count = |count: Option<u64>| count.map_or("-".to_string(), |count| count.to_string());
    let mut lines = vec![format!("{:<34} {:>12} {:>12} {:>9}", "guard", "expected", "measured", "change")];
    for row in rows {
        let change = match (row.expected, row.measured) {
            (Some(before), Some(now)) if before > 0 => {
                format!("{:+.2} %", (now as f64 - before as f64) / before as f64 * 100.0)
            }
            _ => String::new(),
        };
        let mark = match row.verdict {
            Verdict::Same => "",
            Verdict::Shrank => "  smaller: scripts/guards --update keeps it so",
            Verdict::Grew => "  GREW",
            Verdict::Unknown => "  NOT IN THE FILE",
            Verdict::Missing => "  NOT MEASURED",
        };
        let (expected, measured) = (count(row.expected), count(row.measured));
        lines.push(format!("{:<34} {expected:>12} {measured:>12} {change:>9}{mark}", row.name));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs.iter().map(|(name, count)| (name.to_string(), *count)).collect()
    }

    fn expected(pairs: &[(&str, u64)]) -> Expected {
        let made_with = [("rustc".to_string(), "1.95.0".to_string())].into();
        Expected { tolerance_percent: 3, made_with, instructions: counts(pairs) }
    }

    #[test]
    fn each_verdict_at_its_bound() {
        let file = expected(&[("a", 1000), ("b", 1000), ("c", 1000), ("d", 1000), ("gone", 5)]);
        let rows = file.judge(&counts(&[("a", 1030), ("b", 1031), ("c", 970), ("d", 969), ("new", 5)]));
        let verdicts: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.verdict)).collect();
        let same = [("a", Verdict::Same), ("b", Verdict::Grew), ("c", Verdict::Same), ("d", Verdict::Shrank)];
        assert_eq!(verdicts[..4], same);
        assert_eq!(verdicts[4..], [("gone", Verdict::Missing), ("new", Verdict::Unknown)]);
        let failing = rows.iter().filter(|row| row.verdict.fails()).map(|row| row.name.as_str());
        assert_eq!(failing.collect::<Vec<_>>(), ["b", "gone", "new"]);
        let text = table(&rows);
        assert!(text.contains("+3.10 %  GREW"), "{text}");
    }

    #[test]
    fn the_file_says_the_same_when_read_back() {
        let file = expected(&[("codec::encode_block", 12), ("state::update", 7)]);
        assert_eq!(Expected::parse(&file.text()).unwrap(), file);
        assert!(matches!(Expected::parse("tolerance_percent = -1"), Err(Unreadable::File { .. })));
    }

    #[test]
    fn another_compiler_is_told() {
        let now = [("rustc".to_string(), "1.96.0".to_string())].into();
        assert_eq!(expected(&[]).otherwise(&now), [("rustc", "1.95.0", "1.96.0")]);
        assert!(expected(&[]).otherwise(&expected(&[]).made_with).is_empty());
    }

    #[test]
    fn gungraun_s_lines_are_read_and_other_lines_refused() {
        let line = |count: &str| {
            format!(
                r#"{{"group":"state","function_name":"prove","id":"run","profiles":[{{"data":{{"total":{{"metrics":{{"Ir":{{"values":{{"new":{count}}}}}}}}}}}}}]}}"#
            )
        };
        assert_eq!(measured(&format!("{}\n\n", line("42"))).unwrap(), counts(&[("state::prove", 42)]));
        let lacks = Unreadable::Summary { line: 1, lacks: "count of instructions" };
        assert_eq!(measured(&line("null")), Err(lacks));
        assert_eq!(measured("warning"), Err(Unreadable::Summary { line: 1, lacks: "JSON" }));
    }

    #[test]
    fn the_committed_file_parses_and_names_every_guard() {
        let file = Expected::parse(include_str!("../expected.toml")).unwrap();
        assert_eq!(file.tolerance_percent, TOLERANCE_PERCENT);
        let source = include_str!("../benches/guards.rs");
        assert_eq!(file.instructions.len(), source.matches("#[library_benchmark]").count());
        for name in file.instructions.keys() {
            let function = name.split("::").last().unwrap();
            assert!(source.contains(&format!("fn {function}(")), "{name}");
        }
    }
}
