//! A table that fits on the reader's screen: what finds no room on a row's first line goes on below
//! it, numbers aligned, text one after the other; nothing but the last column is ever cut.

use std::ops::Range;

use anstyle::Style;

use crate::screen::{length, shorten, tame};
use crate::style::{self, padded, paint};

const BETWEEN: usize = 2;
/// Of the lines below the first.
const INDENT: usize = 2;
/// The last column, where it is text and there is no screen to fit.
const LAST_MAX: usize = 80;
/// Less of the last column does not even say a subscription's id, and it gets a line of its own.
const LAST_MIN: usize = 29;

/// Rows of cells under headers.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// These columns are numbers, which end below each other.
    numbers: Range<usize>,
    /// This one says where something stands.
    status: Option<usize>,
}

/// Columns that share a line: from, to, and how far the line is indented.
struct Line {
    columns: Range<usize>,
    indent: usize,
}

impl Table {
    /// A table without rows yet.
    pub(crate) fn new(headers: &[&str]) -> Self {
        Self { rows: vec![headers.iter().map(|&header| header.to_owned()).collect()], numbers: 0..0, status: None }
    }

    /// With numbers in these columns.
    pub(crate) fn numbers(mut self, columns: Range<usize>) -> Self {
        self.numbers = columns;
        self
    }

    /// With words in that column that say where something stands.
    pub(crate) fn status(mut self, column: usize) -> Self {
        self.status = Some(column);
        self
    }

    /// One more row, with a cell for each header.
    pub(crate) fn push(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| tame(cell)).collect());
    }

    /// As it stands on a screen of that width.
    pub(crate) fn on(&self, screen: Option<usize>) -> String {
        let widths = self.widths();
        let lines = lines(&widths, screen.unwrap_or(usize::MAX));
        let last = screen.map_or(LAST_MAX, |screen| room_of_last(&widths, &lines, screen));
        let rows = self.rows.iter().enumerate().flat_map(|(n, row)| match screen {
            Some(screen) if self.numbers.is_empty() && lines.len() > 1 => {
                let first = self.shown(n, &lines[0], &widths, last);
                let below = lines[0].columns.end;
                let painted = |m: usize, text: &str| paint(self.style(n, below + m), text);
                first.into_iter().chain(flowing(&row[below..], screen, painted)).collect::<Vec<_>>()
            }
            Some(_) | None => lines.iter().filter_map(|line| self.shown(n, line, &widths, last)).collect(),
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows[0].len();
        (0..columns).map(|n| self.rows.iter().map(|row| length(&row[n])).max().unwrap_or_default()).collect()
    }

    /// Of that row's cell in that column.
    fn style(&self, row: usize, column: usize) -> Style {
        match (row, self.status == Some(column)) {
            (0, _) => style::HEAD,
            (_, true) => style::of(&self.rows[row][column]),
            (_, false) => Style::new(),
        }
    }

    /// The row's cells of one line; none where all of them are empty.
    fn shown(&self, row: usize, line: &Line, widths: &[usize], last: usize) -> Option<String> {
        let cells = line.columns.clone().map(|n| {
            let (cell, width, style) = (&self.rows[row][n], widths[n], self.style(row, n));
            match (n + 1 == widths.len(), self.numbers.contains(&n)) {
                (true, _) => paint(style, &shorten(cell, last)),
                (false, true) => paint(style, &format!("{cell:>width$}")),
                (false, false) => padded(style, cell, width),
            }
        });
        let cells = cells.collect::<Vec<_>>().join(&" ".repeat(BETWEEN));
        let text = format!("{:indent$}{cells}", "", indent = line.indent);
        let text = text.trim_end();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// As many columns on a line as fit. The last column is content with less than it would like.
fn lines(widths: &[usize], screen: usize) -> Vec<Line> {
    let mut lines = vec![Line { columns: 0..0, indent: 0 }];
    let mut used = 0;
    for (n, width) in widths.iter().enumerate() {
        let is_last = n + 1 == widths.len();
        let needed = if is_last { (*width).min(LAST_MIN) } else { *width };
        if used > 0 && used + BETWEEN + needed > screen {
            lines.push(Line { columns: n..n, indent: INDENT });
            used = INDENT;
        } else if used > 0 {
            used += BETWEEN;
        }
        used += needed;
        if let Some(line) = lines.last_mut() {
            line.columns.end = n + 1;
        }
    }
    lines
}

/// The cells of a row that found no room on its first line, one after the other. Aligned text would
/// leave holes where cells are empty.
fn flowing(cells: &[String], screen: usize, painted: impl Fn(usize, &str) -> String) -> Vec<String> {
    let room = screen.saturating_sub(INDENT);
    let mut lines: Vec<String> = Vec::new();
    for (n, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
        let left = lines.last().map_or(0, |line| room.saturating_sub(length(line) + BETWEEN));
        let is_cut = n + 1 == cells.len() && left >= LAST_MIN;
        match lines.last_mut() {
            Some(line) if length(cell) <= left || is_cut => {
                line.push_str(&format!("{:BETWEEN$}{}", "", painted(n, &shorten(cell, left))));
            }
            Some(_) | None if n + 1 == cells.len() => lines.push(painted(n, &shorten(cell, room))),
            Some(_) | None => lines.push(painted(n, cell)),
        }
    }
    lines.into_iter().map(|line| format!("{:INDENT$}{line}", "")).collect()
}

fn room_of_last(widths: &[usize], lines: &[Line], screen: usize) -> usize {
    let Some(line) = lines.last() else { return screen };
    let before = line.columns.start..line.columns.end.saturating_sub(1);
    let taken = line.indent + widths[before].iter().map(|width| width + BETWEEN).sum::<usize>();
    screen.saturating_sub(taken).max(LAST_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{screen, snapshot};
    use anstream::adapter::strip_str;

    fn table() -> Table {
        let mut table = Table::new(&["event", "status", "why"]).status(1);
        table.push(["evt_1", "failed", "two tenants claim it, and nothing is guessed"].map(str::to_owned).into());
        table.push(["evt_20", "pending", ""].map(str::to_owned).into());
        table
    }

    fn check(screen: Option<usize>, expected: &str) {
        assert_eq!(strip_str(&table().on(screen)).to_string(), expected);
    }

    #[test]
    fn it_looks_as_before() {
        snapshot::check_text("table", || table().on(screen::width()));
    }

    #[test]
    fn wide_is_one_line_each() {
        let expected = "\
event   status   why
evt_1   failed   two tenants claim it, and nothing is guessed
evt_20  pending";
        check(None, expected);
        check(Some(70), expected);
    }

    #[test]
    fn the_last_column_is_cut_before_it_moves_to_a_line_of_its_own() {
        let cut = "\
event   status   why
evt_1   failed   two tenants claim it, and…
evt_20  pending";
        check(Some(46), cut);
        let below = "\
event   status
  why
evt_1   failed
  two tenants claim it, and nothing is…
evt_20  pending";
        check(Some(45), below);
    }
}
