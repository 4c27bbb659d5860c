//! Links to lists of runs in the Temporal UI.
//!
//! They begin at the root of whatever serves the UI, because a worker does not know where that is.

use std::fmt::Write;

/// `[text](…)` to the runs whose search attribute has that value. The query is spelt as the UI spells
/// it, so that it shows the filter as one and the person can change it.
pub(super) fn to_runs(text: &str, namespace: &str, attribute: &str, value: &str) -> String {
    let query = format!("`{attribute}`=\"{value}\"");
    format!("[{text}](/namespaces/{}/workflows?query={})", encoded(namespace), encoded(&query))
}

/// Percent-encoded but for what a URL takes as it is (RFC 3986, section 2.3). A bracket or a quote left
/// in it would end the link in markdown.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // A String takes whatever is written to it.
            let _ = write!(url, "%{byte:02X}");
        }
        url
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_url_takes_as_it_is_stays_as_it_is() {
        let check = |text: &str, url: &str| assert_eq!(encoded(text), url);
        check("create-tenant-cus_1.~", "create-tenant-cus_1.~");
        check("a b&c=d/e?f#g%h+i", "a%20b%26c%3Dd%2Fe%3Ff%23g%25h%2Bi");
        check("(\"`'<>[]{}\\)", "%28%22%60%27%3C%3E%5B%5D%7B%7D%5C%29");
        check("Zoë", "Zo%C3%AB");
        check("", "");
    }

    #[test]
    fn a_link_opens_the_list_filtered() {
        assert_eq!(
            to_runs("these", "tenantry.a1b2", "FailureKind", "ConflictError"),
            "[these](/namespaces/tenantry.a1b2/workflows?query=%60FailureKind%60%3D%22ConflictError%22)"
        );
    }
}
