//! Test cards: what each token stands for and how the bank treats it
//! (<https://docs.stripe.com/testing>).

use serde_json::{Value, json};

use super::kind::Kind;
use super::{World, text};
use crate::error::Refusal;

/// A card from Stripe's list of test cards.
pub(crate) struct TestCard {
    /// The token without `pm_card_` or `tok_`.
    name: &'static str,
    brand: &'static str,
    last4: &'static str,
    funding: &'static str,
    behaviour: Behaviour,
}

/// What happens when a card is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Pays,
    /// Can be attached; every charge is declined.
    DeclinesCharge(&'static str),
    /// Cannot even be attached.
    DeclinesAttach(&'static str),
    /// Every payment wants 3-D Secure.
    WantsAuthentication,
}

use Behaviour::{DeclinesAttach, DeclinesCharge, Pays, WantsAuthentication};

const CARDS: [TestCard; 12] = [
    TestCard { name: "visa", brand: "visa", last4: "4242", funding: "credit", behaviour: Pays },
    TestCard { name: "visa_debit", brand: "visa", last4: "5556", funding: "debit", behaviour: Pays },
    TestCard { name: "mastercard", brand: "mastercard", last4: "4444", funding: "credit", behaviour: Pays },
    TestCard { name: "amex", brand: "amex", last4: "8431", funding: "credit", behaviour: Pays },
    TestCard { name: "us", brand: "visa", last4: "0007", funding: "credit", behaviour: Pays },
    card("chargeCustomerFail", "0341", DeclinesCharge("generic_decline")),
    card("chargeDeclined", "0002", DeclinesAttach("generic_decline")),
    card("visa_chargeDeclined", "0002", DeclinesAttach("generic_decline")),
    card("visa_chargeDeclinedInsufficientFunds", "9995", DeclinesAttach("insufficient_funds")),
    card("chargeDeclinedInsufficientFunds", "9995", DeclinesAttach("insufficient_funds")),
    card("authenticationRequired", "3184", WantsAuthentication),
    card("threeDSecure2Required", "3220", WantsAuthentication),
];

const fn card(name: &'static str, last4: &'static str, behaviour: Behaviour) -> TestCard {
    TestCard { name, brand: "visa", last4, funding: "credit", behaviour }
}

impl TestCard {
    /// How the bank treats it.
    pub(crate) fn behaviour(&self) -> Behaviour {
        self.behaviour
    }
}

/// The card that a token (`pm_card_visa`, `tok_visa`) stands for.
pub(crate) fn of_token(token: &str) -> Option<&'static TestCard> {
    let name = token.strip_prefix("pm_card_").or_else(|| token.strip_prefix("tok_"))?;
    CARDS.iter().find(|card| card.name == name)
}

/// The card with this number, as a browser sends it.
pub(crate) fn of_number(number: &str) -> Option<&'static TestCard> {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    CARDS.iter().find(|card| digits.len() >= 15 && digits.ends_with(card.last4))
}

/// How the bank treats a stored payment method or card.
pub(crate) fn behaviour(method: &Value) -> Behaviour {
    let last4 = method["card"]["last4"].as_str().unwrap_or_else(|| text(method, "last4"));
    CARDS.iter().find(|card| card.last4 == last4).map_or(Pays, |card| card.behaviour)
}

/// The decline that Stripe answers with.
pub(crate) fn decline(decline_code: &'static str) -> Refusal {
    match decline_code {
        "insufficient_funds" => Refusal::declined(decline_code, "Your card has insufficient funds."),
        _generic => Refusal::declined(decline_code, "Your card was declined."),
    }
}

impl World {
    /// Makes a payment method of the card, attached to nobody.
    pub(crate) fn new_payment_method(&mut self, card: &TestCard, billing_details: Value) -> String {
        let id = self.new_id(Kind::PaymentMethod);
        let method = json!({
            "id": id,
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": billing_details,
            "card": self.card_details(card),
            "created": self.now(),
            "customer": null,
            "customer_account": null,
            "livemode": self.livemode,
            "metadata": {},
            "type": "card",
        });
        self.insert(Kind::PaymentMethod, method);
        id
    }

    fn card_details(&mut self, card: &TestCard) -> Value {
        json!({
            "brand": card.brand,
            "checks": {"address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass"},
            "country": "US",
            "display_brand": card.brand,
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": self.random_text(16),
            "funding": card.funding,
            "generated_from": null,
            "last4": card.last4,
            "networks": {"available": [card.brand], "preferred": null},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": true},
            "wallet": null,
        })
    }

    /// Makes a card source of the older kind, owned by the customer.
    pub(crate) fn new_card(&mut self, card: &TestCard, customer: &str) -> String {
        let id = self.new_id(Kind::Card);
        let source = json!({
            "id": id,
            "object": "card",
            "address_city": null, "address_country": null, "address_line1": null,
            "address_line1_check": null, "address_line2": null, "address_state": null,
            "address_zip": null, "address_zip_check": null,
            "allow_redisplay": "unspecified",
            "brand": "Visa",
            "country": "US",
            "customer": customer,
            "cvc_check": "pass",
            "dynamic_last4": null,
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": self.random_text(16),
            "funding": card.funding,
            "last4": card.last4,
            "metadata": {},
            "name": null,
            "regulated_status": "unregulated",
            "tokenization_method": null,
            "wallet": null,
        });
        self.insert(Kind::Card, source);
        id
    }

    /// Refuses what cannot be attached to the customer, and changes nothing.
    pub(crate) fn check_attachable(&self, method: &str, customer: &str, param: &str) -> Result<(), Refusal> {
        if let Some(card) = of_token(method) {
            return refuse_at_attach(card.behaviour);
        }
        let row = self.referenced(Kind::PaymentMethod, method, param)?;
        refuse_at_attach(behaviour(row))?;
        refuse_foreign(row, customer)
    }

    /// Attaches a payment method, or the one that a token stands for, to the customer.
    pub(crate) fn attach(&mut self, method: &str, customer: &str, param: &str) -> Result<String, Refusal> {
        self.check_attachable(method, customer, param)?;
        let id = match of_token(method) {
            Some(card) => self.new_payment_method(card, no_billing_details()),
            None => method.to_owned(),
        };
        if self.get(Kind::PaymentMethod, &id).is_some_and(|row| row["customer"].is_null()) {
            self.set(Kind::PaymentMethod, &id, json!({"customer": customer}));
            self.emit("payment_method.attached", Kind::PaymentMethod, &id);
        }
        Ok(id)
    }
}

fn refuse_at_attach(behaviour: Behaviour) -> Result<(), Refusal> {
    match behaviour {
        DeclinesAttach(code) => Err(decline(code)),
        Pays | DeclinesCharge(_) | WantsAuthentication => Ok(()),
    }
}

fn refuse_foreign(method: &Value, customer: &str) -> Result<(), Refusal> {
    let owner = text(method, "customer");
    if owner.is_empty() || owner == customer {
        return Ok(());
    }
    Err(Refusal::not_allowed("The payment method you provided has already been attached to a customer."))
}

/// Billing details with nothing in them.
pub(crate) fn no_billing_details() -> Value {
    json!({"address": no_address(), "email": null, "name": null, "phone": null, "tax_id": null})
}

/// An address with nothing in it.
pub(crate) fn no_address() -> Value {
    json!({"city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null})
}
