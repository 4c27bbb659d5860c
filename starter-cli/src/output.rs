//! What goes to stdout: the same data for a person and for a program.

use std::io::Write;

use anstyle::Style;
use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{screen, style};

/// For whom the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Text,
    Json,
}

/// What a command has to tell.
pub(crate) trait Report: Serialize + JsonSchema {
    /// As a person reads it.
    fn text(&self) -> String;
}

impl Output {
    /// Writes to stdout. A reader who has read enough (`| head`) is no error.
    pub(crate) fn print(self, report: &impl Report) {
        let _ = match self {
            Self::Text => writeln!(anstream::stdout(), "{}", report.text()),
            Self::Json => writeln!(std::io::stdout(), "{}", json(report)),
        };
    }
}

/// A document of ours: its types hold nothing that JSON cannot say.
pub(crate) fn json(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).unwrap_or_else(|error| unreachable!("{error}"))
}

/// A moment, to the second and in UTC.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A number of licences; none is no limit.
pub(crate) fn licences(count: Option<i32>) -> String {
    count.map_or_else(|| "no limit".to_owned(), |count| count.to_string())
}

/// Of the labels, so that what is printed in two parts is aligned too.
const WIDTH_MIN: usize = 8;

/// Labels on the left, what they stand for on the right, aligned.
#[derive(Debug, Default)]
pub(crate) struct Rows(Vec<(&'static str, String, Style)>);

impl Rows {
    /// One more row. An empty label goes on with the row before.
    pub(crate) fn push(&mut self, label: &'static str, value: impl Into<String>) {
        self.0.push((label, screen::tame(&value.into()), Style::new()));
    }

    /// One more row, which says where something stands.
    pub(crate) fn push_status(&mut self, label: &'static str, words: impl Into<String>) {
        let words = words.into();
        self.0.push((label, screen::tame(&words), style::of(&words)));
    }

    /// One more row, if there is something to say.
    pub(crate) fn push_some(&mut self, label: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.push(label, value);
        }
    }
}

impl Rows {
    /// As they stand on a screen of that width: a long value goes on below itself.
    pub(crate) fn on(&self, screen: Option<usize>) -> String {
        let width = self.0.iter().map(|(label, _, _)| label.len()).fold(WIDTH_MIN, usize::max);
        let room = screen.map(|screen| screen.saturating_sub(width + 2));
        let mut lines = Vec::new();
        for (label, value, style) in &self.0 {
            let folded = screen::fold(value, room).into_iter().enumerate();
            let labelled = folded.map(|(n, part)| (if n == 0 { *label } else { "" }, style::paint(*style, &part)));
            lines.extend(labelled.map(|(label, part)| format!("{label:width$}  {part}").trim_end().to_owned()));
        }
        lines.join("\n")
    }
}

impl std::fmt::Display for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.on(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot;

    #[test]
    fn rows_are_aligned() {
        let mut rows = Rows::default();
        rows.push("tenant", "1");
        rows.push_some("link", None::<String>);
        rows.push("last change", "2");
        rows.push("", "3");
        assert_eq!(rows.to_string(), "tenant       1\nlast change  2\n             3");
    }

    #[test]
    fn rows_look_as_before() {
        let mut rows = Rows::default();
        rows.push("workflow", "create-tenant-cus_QXg1oyoEfW2bZ3");
        rows.push_status("status", "failed");
        rows.push("why", "the subscription sub_1MowQVLkdIwHu7ix does not exist at Stripe in TEST mode; correct it");
        rows.push("", "tenantry runs replay create-tenant-cus_QXg1oyoEfW2bZ3 --set stripe_subscription_id=sub_…");
        snapshot::check_text("rows", || rows.on(screen::width()));
    }

    #[test]
    fn no_count_is_no_limit_and_zero_is_zero() {
        assert_eq!([licences(None), licences(Some(0))], ["no limit", "0"]);
    }
}
