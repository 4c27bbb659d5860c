//! The account behind the key (<https://docs.stripe.com/api/accounts>).

use serde_json::{Value, json};

use super::{Call, Route};
use crate::error::{Answer, Refusal};
use crate::world::World;

pub(super) const ROUTES: &[Route] = &[
    Route { method: "GET", path: "/v1/account", accepts: &[], run: retrieve },
    Route { method: "GET", path: "/v1/accounts/{id}", accepts: &[], run: retrieve_by_id },
];

fn retrieve(call: &mut Call<'_>) -> Answer {
    Ok(account(call.world))
}

fn retrieve_by_id(call: &mut Call<'_>) -> Answer {
    if call.id() == call.world.account {
        return Ok(account(call.world));
    }
    Err(Refusal::no_access(call.id()))
}

fn account(world: &World) -> Value {
    let nothing_due = json!({
        "alternatives": [], "current_deadline": null, "currently_due": [], "disabled_reason": null,
        "errors": [], "eventually_due": [], "past_due": [], "pending_verification": [],
    });
    json!({
        "id": world.account,
        "object": "account",
        "business_profile": {
            "annual_revenue": null, "estimated_worker_count": null, "mcc": "5734",
            "name": "Tenantry double", "product_description": null, "support_address": null,
            "support_email": null, "support_phone": null, "support_url": null, "url": null,
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": true,
        "controller": {"type": "account"},
        "country": "US",
        "created": 1_700_000_000,
        "default_currency": "usd",
        "details_submitted": true,
        "email": "owner@example.com",
        "external_accounts": {
            "object": "list", "data": [], "has_more": false,
            "url": format!("/v1/accounts/{}/external_accounts", world.account),
        },
        "future_requirements": nothing_due,
        "metadata": {},
        "payouts_enabled": true,
        "requirements": nothing_due,
        "settings": settings(),
        "tos_acceptance": {"date": null, "ip": null, "user_agent": null},
        "type": "standard",
    })
}

fn settings() -> Value {
    json!({
        "bacs_debit_payments": {"display_name": null, "service_user_number": null},
        "branding": {"icon": null, "logo": null, "primary_color": null, "secondary_color": null},
        "card_issuing": {"tos_acceptance": {"date": null, "ip": null}},
        "card_payments": {
            "decline_on": {"avs_failure": false, "cvc_failure": false},
            "statement_descriptor_prefix": null, "statement_descriptor_prefix_kana": null,
            "statement_descriptor_prefix_kanji": null,
        },
        "dashboard": {"display_name": "Tenantry double", "timezone": "Etc/UTC"},
        "invoices": {"default_account_tax_ids": null, "hosted_payment_method_save": null},
        "payments": {
            "statement_descriptor": null, "statement_descriptor_kana": null, "statement_descriptor_kanji": null,
            "statement_descriptor_prefix_kana": null, "statement_descriptor_prefix_kanji": null,
        },
        "payouts": {
            "debit_negative_balances": true, "schedule": {"delay_days": 2, "interval": "daily"},
            "statement_descriptor": null,
        },
        "sepa_debit_payments": {},
    })
}
