//! What verbs print: results on standard output as JSON or as text for people, progress on standard error.
//!
//! Invariant: under `--json` nothing but JSON reaches standard output, and a closed pipe is no failure.

use std::io::{IsTerminal, Write};

use color_eyre::eyre::{Report, Result};
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Wrong usage that only the verb itself can see; the binary exits with 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Whether colours may be written to a stream, given whether it is a terminal (`NO_COLOR` forbids them).
pub fn colour_allowed(terminal: bool) -> bool {
    terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// An error and its causes as one line: `what: why: why`.
pub fn one_sentence(error: &Report) -> String {
    let mut sentence = String::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        // a cause that its parent already quotes says nothing new
        if sentence.ends_with(&text) {
            continue;
        }
        if !sentence.is_empty() {
            sentence.push_str(": ");
        }
        sentence.push_str(&text);
    }
    sentence
}

/// Where a verb's result goes and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON for programs instead of text for people.
    pub json: bool,
}

impl Output {
    /// Prints a result: one line of JSON, or the text that `human` makes.
    ///
    /// # Errors
    /// If the value has no JSON form or standard output fails otherwise than by being closed.
    pub fn show<T: Serialize + ?Sized>(&self, value: &T, human: impl FnOnce() -> String) -> Result<()> {
        let text = if self.json { serde_json::to_string(value)? } else { human() };
        write_out(&text)
    }

    /// Says something to a person on standard error; programs ask not to hear it.
    pub fn note(&self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }

    /// A progress bar on standard error; silent unless that is a terminal.
    pub fn progress(&self, length: u64, what: &str) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let template = "{msg:24} [{bar:30}] {human_pos}/{human_len} {per_sec} {eta}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        bar.set_message(what.to_string());
        bar
    }
}

/// Writes a line to standard output.
fn write_out(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// A table for people, without colours; as wide as the terminal if there is one.
pub fn table<H, R, C>(header: H, rows: R) -> String
where
    H: IntoIterator<Item = &'static str>,
    R: IntoIterator<Item = C>,
    C: IntoIterator<Item = String>,
{
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(header.into_iter().collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.into_iter().map(|cell| printable(&cell)).collect::<Vec<_>>());
    }
    table.to_string()
}

/// Two columns: names and values.
pub fn pairs<'a>(rows: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let rows: Vec<(&str, String)> = rows.into_iter().collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, value): &(&str, String)| format!("{name:width$}  {}", printable(value));
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Replaces what could drive a terminal (control and direction-changing characters) by a visible mark.
pub fn printable(text: &str) -> String {
    let unsafe_char = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if unsafe_char(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use color_eyre::eyre::{WrapErr, eyre};

    #[test]
    fn an_error_is_one_sentence() {
        let error = Err::<(), _>(eyre!("line one\n  line two")).wrap_err("reading x").unwrap_err();
        assert_eq!(one_sentence(&error), "reading x: line one line two");
        let quoted = Err::<(), _>(eyre!("no such file")).wrap_err("x: no such file").unwrap_err();
        assert_eq!(one_sentence(&quoted), "x: no such file");
    }

    #[test]
    fn hostile_text_cannot_drive_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c"), "a\u{fffd}[31mb\u{fffd}c");
        let text = table(["name"], [[String::from("x\u{1b}[2J")]]);
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn pairs_line_up() {
        assert_eq!(pairs([("a", "1".to_string()), ("long", "2".to_string())]), "a     1\nlong  2");
    }
}
