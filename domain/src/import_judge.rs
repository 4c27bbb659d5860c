//! Which of Stripe's customers is a tenant's, when all that they have in common is an e-mail.
//!
//! What a row says beats what a tag says, and a tag beats the e-mail. Where nothing tells two
//! customers or two tenants apart, nothing is guessed.

use crate::ids::{StripeCustomerId, TenantId};

/// A customer that may be the tenant's: it has the tenant's e-mail, or the tenant's row names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The customer.
    pub customer: StripeCustomerId,
    /// Whether it has a licence subscription that is live.
    pub is_live: bool,
    /// Whether the store has sold to it and its onboarding is still to come.
    pub is_pending: bool,
    /// Whose it is by its row.
    pub row: Option<TenantId>,
    /// Whose it is by its tag, if there is such a tenant here.
    pub tag: Option<TenantId>,
}

/// A tenant, and whatever may be its customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The tenant.
    pub tenant: TenantId,
    /// The customer that its row names.
    pub own: Option<StripeCustomerId>,
    /// How many other tenants have its e-mail.
    pub namesakes: i64,
    /// In the order of their ids.
    pub candidates: Vec<Candidate>,
}

/// What is to become of a tenant. The texts name objects and no person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// This one is its customer.
    Customer(Candidate),
    /// Stripe has none.
    NoCustomer,
    /// Nothing tells them apart.
    Ambiguous(String),
    /// Row, tag and e-mail contradict each other.
    Conflict(String),
}

impl Case {
    /// The tenant's customer, or why there is none.
    pub fn judge(&self) -> Judgement {
        match &self.own {
            Some(own) => self.with_a_row(own),
            None => self.without_a_row(),
        }
    }

    fn with_a_row(&self, own: &StripeCustomerId) -> Judgement {
        if let Some(found) = self.candidates.iter().find(|candidate| candidate.customer == *own) {
            return self.unless_tagged(found);
        }
        let free: Vec<_> = self.candidates.iter().filter(|candidate| candidate.row.is_none()).collect();
        if free.is_empty() {
            return Judgement::Conflict(format!("its row names {own}, which Stripe does not list; correct the row"));
        }
        Judgement::Conflict(format!(
            "its row names {own}, which Stripe does not list, and its e-mail leads to {}; correct one of the two",
            listed(&free)
        ))
    }

    fn without_a_row(&self) -> Judgement {
        let (taken, free): (Vec<_>, Vec<_>) = self.candidates.iter().partition(|candidate| candidate.row.is_some());
        let tagged: Vec<_> = free.iter().filter(|candidate| candidate.tag == Some(self.tenant)).collect();
        if let [one] = tagged[..] {
            return Judgement::Customer((*one).clone());
        }
        match (&free[..], &taken[..]) {
            ([], []) => Judgement::NoCustomer,
            (_, _) if self.namesakes > 0 => Judgement::Ambiguous(format!(
                "{} other tenant(s) have its e-mail, and Stripe has {}; tag each customer with metadata.tenant_id",
                self.namesakes,
                listed(&self.candidates.iter().collect::<Vec<_>>())
            )),
            ([], [one, ..]) => Judgement::Conflict(format!(
                "{} has its e-mail and belongs to tenant {}; correct one of the e-mails",
                one.customer,
                one.row.map(String::from).unwrap_or_default()
            )),
            // It may be the other tenant's second customer as well.
            (_, [one, ..]) => Judgement::Ambiguous(format!(
                "{} have its e-mail, and so has {}, which belongs to another tenant; tag its customer with \
                 metadata.tenant_id",
                listed(&free),
                one.customer
            )),
            ([one], []) => self.unless_claimed(one),
            (several, []) => self.the_live_one(several),
        }
    }

    fn the_live_one(&self, several: &[&Candidate]) -> Judgement {
        let live: Vec<_> = several.iter().filter(|candidate| candidate.is_live).collect();
        match live[..] {
            [one] => self.unless_claimed(one),
            [] => Judgement::Ambiguous(format!(
                "{} have its e-mail, and none has a live licence subscription; tag its customer with \
                 metadata.tenant_id",
                listed(several)
            )),
            [..] => Judgement::Ambiguous(format!(
                "{} have its e-mail, and several have a live licence subscription; tag its customer with \
                 metadata.tenant_id",
                listed(several)
            )),
        }
    }

    /// An e-mail alone does not take a purchase from the onboarding that the store has begun.
    fn unless_claimed(&self, candidate: &Candidate) -> Judgement {
        if candidate.is_pending && candidate.tag.is_none() {
            return Judgement::Ambiguous(format!(
                "{} is being onboarded (metadata.pending_tenant); import it when that is done",
                candidate.customer
            ));
        }
        self.unless_tagged(candidate)
    }

    fn unless_tagged(&self, candidate: &Candidate) -> Judgement {
        match candidate.tag {
            Some(other) if other != self.tenant => Judgement::Conflict(format!(
                "{} is tagged with tenant {other}; correct metadata.tenant_id at Stripe",
                candidate.customer
            )),
            Some(_) | None => Judgement::Customer(candidate.clone()),
        }
    }
}

/// How many customers a reason names.
const NAMED_MAX: usize = 5;

fn listed(candidates: &[&Candidate]) -> String {
    let named: Vec<_> = candidates.iter().take(NAMED_MAX).map(|candidate| candidate.customer.as_str()).collect();
    match candidates.len() {
        some if some <= NAMED_MAX => named.join(", "),
        many => format!("{} and {} more", named.join(", "), many - NAMED_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "0b9f3b1c-5d1e-4a55-9f0e-5a8a3e1f7c11";
    const YOU: &str = "1c8e3b1c-5d1e-4a55-9f0e-5a8a3e1f7c22";

    fn tenant(id: &str) -> TenantId {
        id.parse().expect("a UUID")
    }

    /// `cus_a` is a customer with the e-mail; `!` makes it live, `row=…` and `tag=…` give it away, and
    /// `pending=yes` has it onboarded.
    fn candidate(words: &str) -> Candidate {
        let mut words = words.split(' ');
        let id = words.next().expect("an id");
        let mut one = Candidate {
            customer: id.trim_end_matches('!').parse().expect("an id"),
            is_live: id.ends_with('!'),
            is_pending: false,
            row: None,
            tag: None,
        };
        for word in words {
            match word.split_once('=').expect("a word with =") {
                ("row", whose) => one.row = Some(tenant(whose)),
                ("tag", whose) => one.tag = Some(tenant(whose)),
                ("pending", _) => one.is_pending = true,
                (other, _) => panic!("{other}"),
            }
        }
        one
    }

    fn check(own: Option<&str>, namesakes: i64, candidates: &[&str], expected: &str) {
        let case = Case {
            tenant: tenant(ME),
            own: own.map(|own| own.parse().expect("an id")),
            namesakes,
            candidates: candidates.iter().map(|words| candidate(words)).collect(),
        };
        let said = match case.judge() {
            Judgement::Customer(found) => found.customer.to_string(),
            Judgement::NoCustomer => "none".to_owned(),
            Judgement::Ambiguous(reason) => format!("ambiguous: {reason}"),
            Judgement::Conflict(reason) => format!("conflict: {reason}"),
        };
        assert!(said.starts_with(expected), "{candidates:?}: {said}, expected {expected}");
    }

    #[test]
    fn an_e_mail_leads_to_the_one_customer_that_can_be_meant() {
        check(None, 0, &[], "none");
        check(None, 0, &["cus_a"], "cus_a");
        check(None, 0, &["cus_a", "cus_b!"], "cus_b");
        check(None, 0, &["cus_a", "cus_b"], "ambiguous: cus_a, cus_b have its e-mail, and none");
        check(None, 0, &["cus_a!", "cus_b!"], "ambiguous: cus_a, cus_b have its e-mail, and several");
        check(None, 1, &["cus_a!"], "ambiguous: 1 other tenant(s)");
        check(None, 1, &[], "none");
    }

    #[test]
    fn a_row_decides_and_is_never_led_elsewhere() {
        check(Some("cus_b"), 0, &["cus_a!", &format!("cus_b row={ME}")], "cus_b");
        check(Some("cus_b"), 0, &["cus_a!"], "conflict: its row names cus_b");
        check(Some("cus_b"), 0, &[], "conflict: its row names cus_b");
        // Another tenant's customer has the e-mail too, which says nothing about this one.
        check(Some("cus_b"), 0, &[&format!("cus_a! row={YOU}"), &format!("cus_b row={ME}")], "cus_b");
        check(Some("cus_b"), 3, &[&format!("cus_b row={ME}")], "cus_b");
    }

    #[test]
    fn a_tag_tells_customers_apart_and_is_never_overruled() {
        check(None, 1, &["cus_a!", &format!("cus_b tag={ME}")], "cus_b");
        check(None, 0, &[&format!("cus_a! tag={YOU}")], "conflict: cus_a is tagged with tenant 1c8e");
        check(None, 0, &["cus_b", &format!("cus_a! tag={YOU}")], "conflict: cus_a is tagged");
        check(Some("cus_a"), 0, &[&format!("cus_a! row={ME} tag={YOU}")], "conflict: cus_a is tagged");
        check(None, 0, &[&format!("cus_a! row={YOU}")], "conflict: cus_a has its e-mail and belongs to tenant 1c8e");
        check(None, 0, &["cus_b", &format!("cus_a! row={YOU}")], "ambiguous: cus_b have its e-mail, and so has cus_a");
        check(None, 1, &["cus_b!", &format!("cus_a! row={YOU}")], "ambiguous: 1 other tenant(s)");
        check(None, 1, &[&format!("cus_a! row={YOU}")], "ambiguous: 1 other tenant(s)");
        check(None, 1, &[&format!("cus_b! tag={ME}"), &format!("cus_a! row={YOU}")], "cus_b");
    }

    #[test]
    fn a_purchase_that_is_being_onboarded_is_left_to_its_onboarding() {
        check(None, 0, &["cus_a! pending=yes"], "ambiguous: cus_a is being onboarded");
        check(None, 0, &["cus_a", "cus_b! pending=yes"], "ambiguous: cus_b is being onboarded");
        check(None, 0, &[&format!("cus_a! tag={ME} pending=yes")], "cus_a");
        check(Some("cus_a"), 0, &[&format!("cus_a! row={ME} pending=yes")], "cus_a");
    }

    #[test]
    fn a_reason_names_a_few_and_counts_the_rest() {
        let many: Vec<_> = (0..8).map(|n| format!("cus_{n}!")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        check(None, 0, &many, "ambiguous: cus_0, cus_1, cus_2, cus_3, cus_4 and 3 more have");
    }
}
