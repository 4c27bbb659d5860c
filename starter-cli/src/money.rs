//! Amounts of money as people write them. Stripe counts in the smallest unit of a currency, and not
//! every currency has hundredths (<https://docs.stripe.com/currencies#zero-decimal>).

/// Without a smaller unit. The króna and the Ugandan shilling are not among them: Stripe counts
/// hundredths of both, which nobody has (<https://docs.stripe.com/currencies#special-cases>).
const WHOLE: [&str; 15] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"];
/// In thousandths (<https://docs.stripe.com/currencies#three-decimal>).
const THOUSANDTHS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// `amount` of the currency's smallest unit, e.g. `19.99 USD`.
pub(crate) fn money(amount: i64, currency: &str) -> String {
    let currency = currency.to_lowercase();
    let decimals = match currency.as_str() {
        whole if WHOLE.contains(&whole) => 0,
        small if THOUSANDTHS.contains(&small) => 3,
        _hundredths => 2,
    };
    let (sign, amount) = (if amount < 0 { "-" } else { "" }, amount.unsigned_abs());
    let unit = 10_u64.pow(decimals);
    let fraction = match decimals {
        0 => String::new(),
        width => format!(".{:0width$}", amount % unit, width = width as usize),
    };
    format!("{sign}{}{fraction} {}", amount / unit, currency.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::money;

    #[test]
    fn an_amount_has_as_many_decimals_as_its_currency() {
        let check = |amount, currency, expected: &str| assert_eq!(money(amount, currency), expected);
        check(1_999, "usd", "19.99 USD");
        check(1_905, "EUR", "19.05 EUR");
        check(-5, "usd", "-0.05 USD");
        check(777, "jpy", "777 JPY");
        check(12_345, "kwd", "12.345 KWD");
        check(-1_050, "tnd", "-1.050 TND");
        check(500, "isk", "5.00 ISK");
        check(500, "ugx", "5.00 UGX");
        check(0, "usd", "0.00 USD");
        check(i64::MIN, "jpy", "-9223372036854775808 JPY");
    }
}
