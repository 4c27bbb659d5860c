//! Tables on a terminal: the first column to the left, numbers to the right.

use std::time::Duration;

/// Prints rows under a heading, each column as wide as its widest cell.
pub(crate) fn print(heading: &[&str], rows: &[Vec<String>]) {
    let heading: Vec<String> = heading.iter().map(|&name| name.to_owned()).collect();
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| rows.iter().chain([&heading]).map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in [&heading].into_iter().chain(rows) {
        let cells: Vec<String> = row.iter().zip(&widths).enumerate().map(cell).collect();
        println!("  {}", cells.join("  ").trim_end());
    }
    println!();
}

fn cell((column, (text, &width)): (usize, (&String, &usize))) -> String {
    if column == 0 { format!("{text:<width$}") } else { format!("{text:>width$}") }
}

/// `12.34 ms`.
pub(crate) fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// `12.3 MiB`.
pub(crate) fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Least, middle and greatest; zeros of nothing.
pub(crate) fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    [at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1))]
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn the_middle_of_an_odd_number_is_the_median() {
        assert_eq!(spread(&[5.0, 1.0, 9.0, 2.0, 7.0]), [1.0, 5.0, 9.0]);
        assert_eq!(spread(&[]), [0.0; 3]);
    }
}
