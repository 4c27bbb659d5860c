//! Commands that a person is told to type: quoted for a shell, and naming the field to correct.

/// One word for a shell, also where a caller chose an id with other characters than ours have.
pub fn word(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:@/=+".contains(&b);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The flag that corrects what a failure's message is about: the field that it begins with, or else
/// the first of `ids` (fields of the input, and what they hold) that it names. What stands for the
/// right value is one that nobody takes for it.
pub fn correction<'a>(message: &'a str, ids: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Option<String> {
    let begins_with = message.split_once(": ").map(|(field, _)| field).filter(|field| is_field(field));
    let names = |(_, id): &(&str, Option<&str>)| id.is_some_and(|id| message.contains(id));
    let field = begins_with.or_else(|| ids.into_iter().find(names).map(|(field, _)| field))?;
    Some(format!("--set {field}={}", example(field)))
}

fn is_field(word: &str) -> bool {
    word.contains(|letter: char| letter.is_ascii_lowercase())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

fn example(field: &str) -> &'static str {
    match field {
        "stripe_customer_id" => "cus_…",
        "stripe_subscription_id" => "sub_…",
        "checkout_session_id" => "cs_…",
        "initial_license_count" => "N",
        _ => "…",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(word("create-tenant-cus_1"), "create-tenant-cus_1");
        assert_eq!(word("a $(b) 'c'"), r"'a $(b) '\''c'\'''");
        assert_eq!(word(""), "''");
    }

    #[test]
    fn the_field_that_a_message_is_about_is_to_be_set() {
        let check = |message, expected: Option<&str>| {
            let ids = [("stripe_subscription_id", Some("sub_1")), ("stripe_customer_id", None)];
            assert_eq!(correction(message, ids).as_deref(), expected, "{message}");
        };
        check("client_name: expected a name", Some("--set client_name=…"));
        check("initial_license_count: expected a number", Some("--set initial_license_count=N"));
        check(
            "sub_1 does not exist (GET /v1/subscriptions/sub_1: HTTP 404)",
            Some("--set stripe_subscription_id=sub_…"),
        );
        check("price_7 does not exist", None);
        check("not an object: nothing", None);
    }
}
