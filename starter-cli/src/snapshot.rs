//! How reports look, kept beside the code: on a wide screen and on a narrow one, with and without
//! colours. A text that changed fails its test and writes nothing;
//! `INSTA_UPDATE=always cargo test --workspace --bin tenantry` takes the new one.

use anstream::adapter::strip_str;

use crate::output::Report;
use crate::screen;

const WIDE: usize = 120;
const NARROW: usize = 60;

/// Compares a report with what is kept of it.
pub(crate) fn check(name: &str, report: &impl Report) {
    check_text(name, || report.text());
}

/// Compares a text with what is kept of it.
pub(crate) fn check_text(name: &str, text: impl Fn() -> String) {
    let on = |columns: usize| {
        let painted = screen::as_if(columns, &text);
        let plain = strip_str(&painted).to_string();
        // A control character in a file would be seen by nobody.
        let painted = painted.replace('\u{1b}', "␛");
        format!("{columns} columns\n\n{plain}\n\n{columns} columns, in colours\n\n{painted}")
    };
    insta::assert_snapshot!(name, format!("{}\n\n{}", on(WIDE), on(NARROW)));
}
