//! Lengths of time as a person writes them.

use std::time::Duration;

/// A whole number and its unit: `90s`, `5m`, `2h` or `1d`. What is too short or too long is for the
/// caller to say.
pub fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_secs = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let secs = digits.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(unit_secs)?;
    Some(Duration::from_secs(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, secs: Option<u64>) {
        assert_eq!(parse(text), secs.map(Duration::from_secs), "{text:?}");
    }

    #[test]
    fn a_length_of_time_is_a_whole_number_and_its_unit() {
        check("0s", Some(0));
        check("90s", Some(90));
        check("5m", Some(300));
        check("2h", Some(7200));
        check("7d", Some(604_800));
        let wrong = ["", "s", "5", "-1s", "+5s", "1.5h", "5 m", "5min", "2w", "99999999999999999999d", "5µ"];
        wrong.into_iter().for_each(|wrong| check(wrong, None));
        check(&format!("{}d", u64::MAX), None);
    }
}
