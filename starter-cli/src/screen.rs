//! How wide the reader's screen is, and text that fits on it. What goes into a file or a pipe is
//! not folded, so that one line there is one thing.

use std::fs::File;
use std::io::IsTerminal;
use std::process::{Command, Stdio};

use anstream::adapter::strip_str;

/// Where a terminal does not say.
const WIDTH: usize = 80;
/// Narrower, folding does more harm than good.
const WIDTH_MIN: usize = 40;

/// What a line begins with that is a command of ours.
const COMMAND: &str = "tenantry ";

/// Columns of the reader's screen: `COLUMNS`, else what the terminal says. None where there is no
/// terminal.
pub(crate) fn width() -> Option<usize> {
    #[cfg(test)]
    if let Some(width) = AS_IF.get() {
        return Some(width);
    }
    let stated = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let width = stated.or_else(|| std::io::stdout().is_terminal().then(|| of_terminal().unwrap_or(WIDTH)));
    width.map(|width| width.max(WIDTH_MIN))
}

#[cfg(test)]
thread_local! {
    static AS_IF: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}

/// What `text` is on a screen of that width.
#[cfg(test)]
pub(crate) fn as_if(width: usize, text: impl Fn() -> String) -> String {
    AS_IF.set(Some(width));
    let text = text();
    AS_IF.set(None);
    text
}

/// `stty` answers `rows columns` about its stdin.
fn of_terminal() -> Option<usize> {
    let terminal = File::open("/dev/tty").ok()?;
    let said = Command::new("stty").arg("size").stdin(terminal).stderr(Stdio::null()).output().ok()?;
    let columns = String::from_utf8(said.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()?;
    (columns > 0).then_some(columns)
}

/// The text in lines of at most `width` characters, folded between words. A word that is longer,
/// such as a link, stays whole, and so does a line that is a command: they are there to be copied.
pub(crate) fn fold(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return text.split('\n').map(str::to_owned).collect() };
    text.split('\n').flat_map(|line| fold_line(line, width)).collect()
}

fn fold_line(line: &str, width: usize) -> Vec<String> {
    if line.starts_with(COMMAND) {
        return vec![line.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let last = lines.last_mut().unwrap_or_else(|| unreachable!("it is never empty"));
        if last.is_empty() {
            last.push_str(word);
        } else if length(last) + 1 + length(word) <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// The text, or its beginning and `…`. It ends with a whole word where that leaves most of the room
/// in use: half an id looks like an id.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if length(&text) <= width {
        return text;
    }
    let kept: String = text.chars().take(width).collect();
    let words = kept.rsplit_once(' ').map(|(words, _)| words).filter(|words| 2 * length(words) >= width);
    let cut: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", words.unwrap_or(cut.trim_end()))
}

/// Characters, which is what a terminal shows of our texts; colours have none.
pub(crate) fn length(text: &str) -> usize {
    strip_str(text).map(|part| part.chars().count()).sum()
}

/// The text without what would steer the reader's terminal: names and messages come from others.
pub(crate) fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_folded_between_words_and_a_long_word_stays_whole() {
        let folded = fold("one two three https://ui.example/a/long/link four", Some(10));
        assert_eq!(folded, ["one two", "three", "https://ui.example/a/long/link", "four"]);
        assert_eq!(fold("one two three", None), ["one two three"]);
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(tame("Ann\u{1b}[2J\r & Co\nLtd"), "Ann\u{fffd}[2J\u{fffd} & Co\nLtd");
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        assert_eq!(shorten("one  two\nthree", 13), "one two three");
        assert_eq!(shorten("one two three", 9), "one two…");
        assert_eq!(shorten("told by evt_1NG8Du2eZvKYlo2CUI79vXWy", 14), "told by…");
        assert_eq!(shorten("an unbelievably long word", 9), "an unbel…");
    }
}
