//! The word that was probably meant.

/// Shorter than this, a word stands in too many others to mean one of them.
const PART_MIN: usize = 3;

/// The nearest of `words` to one that is none of them: a slip or two away, or the only one that it
/// is a part of.
pub fn near<'a>(wrong: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase().replace('-', "_");
    let words: Vec<&str> = words.into_iter().collect();
    let slips_max = wrong.chars().count().div_ceil(3);
    let slips = |word: &&str| distance(&wrong, &word.to_lowercase());
    let nearest = words.iter().copied().min_by_key(slips).filter(|word| slips(word) <= slips_max);
    nearest.or_else(|| only_one_with(&wrong, &words))
}

fn only_one_with<'a>(part: &str, words: &[&'a str]) -> Option<&'a str> {
    if part.chars().count() < PART_MIN {
        return None;
    }
    let mut with = words.iter().copied().filter(|word| word.contains(part));
    let first = with.next()?;
    with.next().is_none().then_some(first)
}

/// Letters to add, to leave out or to change until one is the other (Levenshtein's).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (n, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], n + 1);
        for (m, candidate) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *candidate);
            diagonal = row[m + 1];
            row[m + 1] = changed.min(diagonal + 1).min(row[m] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 4] = ["email", "client_name", "stripe_customer_id", "stripe_subscription_id"];

    fn check(wrong: &str, expected: Option<&str>) {
        assert_eq!(near(wrong, WORDS), expected, "{wrong}");
    }

    #[test]
    fn a_slip_or_a_part_means_the_word() {
        check("clientname", Some("client_name"));
        check("client-name", Some("client_name"));
        check("clientName", Some("client_name"));
        check("emial", Some("email"));
        check("name", Some("client_name"));
        check("subscription", Some("stripe_subscription_id"));
    }

    #[test]
    fn what_could_be_several_or_none_means_nothing() {
        check("stripe", None);
        check("id", None);
        check("colour", None);
        check("", None);
    }

    #[test]
    fn a_distance_counts_each_slip() {
        for (one, other, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "acb", 2)] {
            assert_eq!((distance(one, other), distance(other, one)), (expected, expected), "{one} {other}");
        }
    }
}
