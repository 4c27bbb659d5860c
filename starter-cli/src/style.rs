//! Colours, few and sober: what went well, what went wrong, what waits for somebody.
//!
//! Texts are painted always, and `anstream` leaves the colours out on the way to where nobody sees
//! them: a pipe, a file, a dumb terminal, a terminal with `NO_COLOR` set. `CLICOLOR_FORCE=1` keeps
//! them. What goes to a program is never painted.

use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};

use crate::screen::length;

/// The heads of tables, and of what stands on stderr.
pub(crate) const HEAD: Style = Style::new().bold();
/// What went wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default();
const WAITS: Style = AnsiColor::Yellow.on_default();
const UNDER_WAY: Style = AnsiColor::Cyan.on_default();
const FAINT: Style = Style::new().dimmed();

/// The style of words that say where something stands; the first of them decides.
pub(crate) fn of(words: &str) -> Style {
    match words.split([' ', ',', ':', ';']).next().unwrap_or_default() {
        "ok" | "yes" | "done" | "completed" | "changed" | "imported" | "already" | "repaired" => GOOD,
        "red" | "no" | "failed" | "timed" | "timed_out" | "terminated" | "missing" => BAD,
        "warning" | "stuck" | "retrying" | "parked" | "ambiguous" | "cancelled" | "paused" | "stopped" => WAITS,
        "running" | "started" | "pending" | "scheduled" => UNDER_WAY,
        "skipped" | "ignored" | "superseded" | "unchanged" | "forgotten" => FAINT,
        _ => Style::new(),
    }
}

/// The text in that style.
pub(crate) fn paint(style: Style, text: &str) -> String {
    if style.is_plain() || text.is_empty() {
        return text.to_owned();
    }
    format!("{style}{text}{style:#}")
}

/// The same, filled up to that width behind it.
pub(crate) fn padded(style: Style, text: &str, width: usize) -> String {
    format!("{}{:fill$}", paint(style, text), "", fill = width.saturating_sub(length(text)))
}

/// Whether stderr can show something that changes in place, such as a bar.
pub(crate) fn stderr_can_move() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_decides() {
        assert_eq!(of("failed: ConflictError"), BAD);
        assert_eq!(of("completed"), GOOD);
        assert!(of("moonlight").is_plain());
    }

    #[test]
    fn what_is_painted_is_as_wide_as_what_is_not() {
        let painted = padded(BAD, "red", 7);
        assert_eq!((length(&painted), anstream::adapter::strip_str(&painted).to_string().as_str()), (7, "red    "));
        assert_eq!(padded(Style::new(), "red", 2), "red");
    }
}
