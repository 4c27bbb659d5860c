//! Taking money: payment intents and the charges they make.

use serde_json::{Value, json};

use super::cards::{self, Behaviour, no_billing_details};
use super::kind::Kind;
use super::{World, number, text};
use crate::error::Refusal;

/// How a payment went.
#[derive(Clone, Debug)]
pub(crate) enum Payment {
    Succeeded,
    /// The bank wants 3-D Secure: somebody has to go through it.
    RequiresAction,
    Declined(Refusal),
}

/// A payment to be made.
pub(crate) struct NewIntent<'a> {
    pub(crate) amount: i64,
    pub(crate) currency: &'a str,
    pub(crate) customer: Value,
    pub(crate) description: Value,
    pub(crate) metadata: Value,
    pub(crate) shipping: Value,
}

impl World {
    /// What pays for the customer: the subscription's own method, else the customer's default, else
    /// its source (<https://docs.stripe.com/billing/subscriptions/payment-methods-setting#payment-method-priority>).
    pub(crate) fn paying_method(&self, subscription: &Value, customer: &str) -> Option<String> {
        let customer = self.get(Kind::Customer, customer)?;
        let candidates = [
            &subscription["default_payment_method"],
            &customer["invoice_settings"]["default_payment_method"],
            &customer["default_source"],
        ];
        candidates.into_iter().find_map(Value::as_str).map(str::to_owned)
    }

    /// How the bank will treat a payment method or source.
    pub(crate) fn behaviour_of(&self, method: &str) -> Behaviour {
        let row = self.get(Kind::PaymentMethod, method).or_else(|| self.get(Kind::Card, method));
        row.map_or(Behaviour::Pays, cards::behaviour)
    }

    /// The refusal that a payment with this method ends in when nobody is there to authenticate.
    pub(crate) fn refusal_of(&self, method: &str) -> Option<Refusal> {
        match self.behaviour_of(method) {
            Behaviour::Pays => None,
            Behaviour::DeclinesCharge(code) | Behaviour::DeclinesAttach(code) => Some(cards::decline(code)),
            Behaviour::WantsAuthentication => Some(Refusal::authentication_required()),
        }
    }

    pub(crate) fn new_intent(&mut self, new: NewIntent<'_>) -> String {
        let id = self.new_id(Kind::PaymentIntent);
        let secret = format!("{id}_secret_{}", self.random_text(25));
        let intent = json!({
            "id": id,
            "object": "payment_intent",
            "allowed_payment_method_types": null,
            "amount": new.amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": null,
            "canceled_at": null,
            "cancellation_reason": null,
            "capture_method": "automatic",
            "client_secret": secret,
            "confirmation_method": "automatic",
            "created": self.now(),
            "currency": new.currency,
            "customer": new.customer,
            "customer_account": null,
            "description": new.description,
            "excluded_payment_method_types": null,
            "last_payment_error": null,
            "latest_charge": null,
            "livemode": self.livemode,
            "metadata": new.metadata,
            "next_action": null,
            "on_behalf_of": null,
            "payment_method": null,
            "payment_method_configuration_details": null,
            "payment_method_options": {"card": {"installments": null, "mandate_options": null, "network": null, "request_three_d_secure": "automatic"}},
            "payment_method_types": ["card"],
            "processing": null,
            "receipt_email": null,
            "review": null,
            "setup_future_usage": null,
            "shipping": new.shipping,
            "source": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": "requires_payment_method",
            "transfer_data": null,
            "transfer_group": null,
        });
        self.insert(Kind::PaymentIntent, intent);
        self.emit("payment_intent.created", Kind::PaymentIntent, &id);
        id
    }

    /// Tries to pay the intent with a payment method or source.
    pub(crate) fn confirm_intent(&mut self, intent: &str, method: &str) -> Payment {
        let field = if self.get(Kind::Card, method).is_some() { "source" } else { "payment_method" };
        self.set(Kind::PaymentIntent, intent, json!({field: method}));
        match self.behaviour_of(method) {
            Behaviour::Pays => self.succeed(intent, method),
            Behaviour::WantsAuthentication => self.ask_for_authentication(intent),
            Behaviour::DeclinesCharge(code) | Behaviour::DeclinesAttach(code) => {
                self.fail(intent, method, &cards::decline(code))
            }
        }
    }

    /// Ends 3-D Secure: the payment goes through, or the method is turned down.
    pub(crate) fn authenticate_intent(&mut self, intent: &str, is_passed: bool) -> Payment {
        let row = self.get(Kind::PaymentIntent, intent).cloned().unwrap_or_default();
        let method = text(&row, "payment_method").to_owned();
        if is_passed {
            return self.succeed(intent, &method);
        }
        let message = "We are unable to authenticate your payment method. Please choose a different payment method and try again.";
        let refusal = Refusal::not_allowed(message).coded("payment_intent_authentication_failure");
        self.fail(intent, &method, &refusal)
    }

    fn succeed(&mut self, intent: &str, method: &str) -> Payment {
        let charge = self.charge(intent, method, None);
        let amount = self.get(Kind::PaymentIntent, intent).map_or(0, |row| number(row, "amount"));
        let paid = json!({
            "status": "succeeded", "amount_received": amount, "latest_charge": charge,
            "next_action": null, "last_payment_error": null,
        });
        self.set(Kind::PaymentIntent, intent, paid);
        self.emit("payment_intent.succeeded", Kind::PaymentIntent, intent);
        Payment::Succeeded
    }

    fn fail(&mut self, intent: &str, method: &str, refusal: &Refusal) -> Payment {
        let charge = self.charge(intent, method, Some(refusal));
        let error = refusal.object();
        let failed = json!({
            "status": "requires_payment_method", "latest_charge": charge, "last_payment_error": error,
            "next_action": null, "payment_method": null, "source": null,
        });
        self.set(Kind::PaymentIntent, intent, failed);
        self.emit("payment_intent.payment_failed", Kind::PaymentIntent, intent);
        Payment::Declined(refusal.clone().with("charge", json!(charge)).of_a_payment())
    }

    fn ask_for_authentication(&mut self, intent: &str) -> Payment {
        let next = json!({"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}});
        self.set(Kind::PaymentIntent, intent, json!({"status": "requires_action", "next_action": next}));
        self.emit("payment_intent.requires_action", Kind::PaymentIntent, intent);
        Payment::RequiresAction
    }

    fn charge(&mut self, intent: &str, method: &str, refusal: Option<&Refusal>) -> String {
        let id = self.new_id(Kind::Charge);
        let charge = self.charge_object(&id, intent, method, refusal);
        self.insert(Kind::Charge, charge);
        let kind = if refusal.is_none() { "charge.succeeded" } else { "charge.failed" };
        self.emit(kind, Kind::Charge, &id);
        id
    }

    fn charge_object(&self, id: &str, intent: &str, method: &str, refusal: Option<&Refusal>) -> Value {
        let intent = self.get(Kind::PaymentIntent, intent).cloned().unwrap_or_default();
        let is_paid = refusal.is_none();
        let amount = number(&intent, "amount");
        let error = refusal.map_or(Value::Null, Refusal::object);
        json!({
            "id": id,
            "object": "charge",
            "amount": amount,
            "amount_captured": if is_paid { amount } else { 0 },
            "amount_refunded": 0,
            "application": null,
            "application_fee": null,
            "application_fee_amount": null,
            "balance_transaction": null,
            "billing_details": self.billing_details_of(method),
            "calculated_statement_descriptor": "TENANTRY DOUBLE",
            "captured": is_paid,
            "created": self.now(),
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": false,
            "failure_balance_transaction": null,
            "failure_code": error["code"],
            "failure_message": error["message"],
            "fraud_details": {},
            "livemode": self.livemode,
            "metadata": intent["metadata"],
            "on_behalf_of": null,
            "outcome": outcome(&error),
            "paid": is_paid,
            "payment_intent": intent["id"],
            "payment_method": method,
            "payment_method_details": self.method_details(method),
            "radar_options": {},
            "receipt_email": null,
            "receipt_number": null,
            "receipt_url": null,
            "refunded": false,
            "review": null,
            "shipping": intent["shipping"],
            "source": self.presented(Kind::Card, method),
            "source_transfer": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": if is_paid { "succeeded" } else { "failed" },
            "transfer_data": null,
            "transfer_group": null,
        })
    }

    fn billing_details_of(&self, method: &str) -> Value {
        let row = self.get(Kind::PaymentMethod, method);
        row.map_or_else(no_billing_details, |row| row["billing_details"].clone())
    }

    fn method_details(&self, method: &str) -> Value {
        let row = self.get(Kind::PaymentMethod, method).map(|row| &row["card"]);
        let card = row.or_else(|| self.get(Kind::Card, method)).cloned().unwrap_or_default();
        json!({
            "type": "card",
            "card": {
                "amount_authorized": null,
                "authorization_code": null,
                "brand": text(&card, "brand").to_lowercase(),
                "checks": {"address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass"},
                "country": "US",
                "exp_month": card["exp_month"],
                "exp_year": card["exp_year"],
                "fingerprint": card["fingerprint"],
                "funding": card["funding"],
                "installments": null,
                "last4": card["last4"],
                "mandate": null,
                "network": text(&card, "brand").to_lowercase(),
                "three_d_secure": null,
                "wallet": null,
            },
        })
    }
}

fn outcome(error: &Value) -> Value {
    let is_paid = error.is_null();
    json!({
        "advice_code": null,
        "network_advice_code": null,
        "network_decline_code": null,
        "network_status": if is_paid { "approved_by_network" } else { "declined_by_network" },
        "reason": error["decline_code"],
        "risk_level": "normal",
        "seller_message": if is_paid { "Payment complete." } else { "The bank did not return any further details with this decline." },
        "type": if is_paid { "authorized" } else { "issuer_declined" },
    })
}
