//! Rule 5: the count is derived, from all rows, under the tenant's lock.

use anyhow::{Result, ensure};
use domain::failure::FailureKind;

use super::desk::{Desk, active, is_written};
use crate::books::Books;
use crate::product::{Batch, Ended};
use crate::shop::{RUNTIME, wait_for_lock_waiters};

/// One subscription ends and another begins, and both are synced at the same instant.
fn meet(is_the_ended_one_first: bool) -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let old = desk.subscribe(10, &[])?;
    desk.sync(&old)?;
    desk.cancel(&old)?;
    let ended = desk.told(&old)?;
    let new = desk.subscribe(3, &[])?;
    let begun = desk.told(&new)?;
    let mut order = [ended, begun];
    if !is_the_ended_one_first {
        order.reverse();
    }
    both(&mut desk, order)?;
    assert_eq!(desk.count()?, "3");
    assert_eq!((desk.row(&old)?.map(|row| row.1).as_deref(), desk.row(&new)?), (Some("canceled"), active(3)));
    Ok(())
}

/// Lets both go once the first has everything but the tenant and the second waits behind it.
fn both(desk: &mut Desk, order: [Batch; 2]) -> Result<()> {
    let mut lock = Books::open()?;
    let holder = hold_tenant(&mut lock, &desk.tenant)?;
    let mut started = Vec::new();
    for (waiters, batch) in order.into_iter().enumerate() {
        let product = desk.shop.product.clone();
        started.push(RUNTIME.spawn(async move { product.handle(&batch).await }));
        wait_for_lock_waiters(&mut desk.books, &holder, waiters + 1)?;
    }
    lock.run("COMMIT")?;
    for one in started {
        ensure!(is_written(RUNTIME.block_on(one)??), "it was not written");
    }
    Ok(())
}

/// Answers the process that holds the tenant's row.
fn hold_tenant(lock: &mut Books, tenant: &str) -> Result<String> {
    lock.run("BEGIN")?;
    // Not FOR UPDATE, for which foreign keys would wait too.
    lock.run(&format!("SELECT 1 FROM tenants WHERE tenant = '{tenant}' FOR NO KEY UPDATE"))?;
    lock.value("SELECT pg_backend_pid()")
}

#[test]
fn of_one_that_ends_and_one_that_begins_the_living_one_counts() -> Result<()> {
    meet(true)
}

#[test]
fn of_one_that_begins_and_one_that_ends_the_living_one_counts() -> Result<()> {
    meet(false)
}

/// Another transaction that holds the tenant writes a subscription: whoever waited sees it.
#[test]
fn the_count_is_derived_after_the_tenant_is_had() -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let (old, new) = (desk.subscribe(10, &[])?, desk.subscribe(20, &[])?);
    let batches = [desk.told(&old)?, Batch::new(&new, &[])];
    desk.handle(&batches[1])?;
    let mut lock = Books::open()?;
    let holder = hold_tenant(&mut lock, &desk.tenant)?;
    let product = desk.shop.product.clone();
    let waiting = RUNTIME.spawn(async move { product.handle(&batches[0]).await });
    wait_for_lock_waiters(&mut desk.books, &holder, 1)?;
    lock.run(&format!(
        "UPDATE stripe_subscriptions SET status = 'canceled' WHERE stripe_subscription_external_id = '{new}'"
    ))?;
    lock.run("COMMIT")?;
    RUNTIME.block_on(waiting)??;
    assert_eq!(desk.count()?, "10", "it was derived before the other transaction was over");
    Ok(())
}

#[test]
fn two_canonical_candidates_are_not_added_up() -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let paying = desk.subscribe(4, &[])?;
    let trying = desk.subscribe(9, &[("trial_period_days", "10")])?;
    let batches = [desk.told(&paying)?, Batch::new(&trying, &[])];
    for batch in &batches {
        desk.handle(batch)?;
    }
    assert_eq!(desk.count()?, "4");
    desk.cancel(&paying)?;
    desk.sync(&paying)?;
    assert_eq!(desk.count()?, "9");
    Ok(())
}

#[test]
fn an_ambiguous_canonical_subscription_withholds_the_count_and_not_the_rows() -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let subscription = desk.subscribe(10, &[])?;
    desk.sync(&subscription)?;
    let support = desk.shop.prices.support.clone();
    let path = format!("/subscriptions/{subscription}");
    desk.shop.double.post(&path, &[("items[0][price]", &support), ("cancel_at_period_end", "true")])?;
    let batch = desk.told(&subscription)?;
    assert_eq!(desk.handle(&batch)?, Ended::Failed(FailureKind::AmbiguousSubscription));
    assert_eq!(desk.row(&subscription)?, Some((String::new(), "active".to_owned())));
    assert_eq!(desk.books.subscriptions(&[subscription])?[0][11], "t", "cancel_at_period_end was not written");
    assert_eq!((desk.count()?.as_str(), desk.statuses(&batch)?), ("10", vec!["failed".to_owned()]));
    Ok(())
}

#[test]
fn a_metered_canonical_subscription_withholds_the_count() -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let form = [("customer", desk.customer.as_str()), ("items[0][price]", desk.shop.prices.metered.as_str())];
    let subscription = desk.shop.double.make("/subscriptions", &form)?;
    assert_eq!(desk.sync(&subscription)?, Ended::Failed(FailureKind::NotLicensable));
    assert_eq!(desk.row(&subscription)?, Some((String::new(), "active".to_owned())));
    assert_eq!(desk.count()?, "0");
    Ok(())
}

#[test]
fn what_has_ended_leaves_no_licences_and_the_tenant() -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let subscription = desk.subscribe(10, &[])?;
    desk.sync(&subscription)?;
    desk.cancel(&subscription)?;
    desk.sync(&subscription)?;
    assert_eq!(desk.count()?, "0");
    assert_eq!(desk.row(&subscription)?.map(|row| row.1).as_deref(), Some("canceled"));
    Ok(())
}

/// NULL is no limit: only a licence subscription that ran ends that.
#[test]
fn an_unpaid_checkout_and_an_add_on_touch_no_count() -> Result<()> {
    for (count_follows, expected) in [(true, "0"), (false, "")] {
        let mut desk = Desk::with_tenant(count_follows)?;
        let unpaid = desk.subscribe(10, &[("payment_behavior", "default_incomplete")])?;
        ensure!(is_written(desk.sync(&unpaid)?), "it was not written");
        let add_on = desk.subscribe(7, &[("metadata[addon_key]", "storage")])?;
        ensure!(is_written(desk.sync(&add_on)?), "it was not written");
        assert_eq!(desk.row(&unpaid)?, Some(("10".to_owned(), "incomplete".to_owned())));
        assert_eq!((desk.row(&add_on)?, desk.count()?.as_str()), (active(7), expected));
        desk.shop.double.advance(86_400)?;
        desk.sync(&unpaid)?;
        assert_eq!(desk.row(&unpaid)?.map(|row| row.1).as_deref(), Some("incomplete_expired"));
        assert_eq!(desk.count()?, expected);
        ensure!(desk.books.changes(&desk.tenant)?.is_empty(), "a change was noted");
    }
    Ok(())
}

/// A subscription tells its first ten items by itself. The one that counts is another.
#[test]
fn the_licence_item_may_stand_on_the_second_page() -> Result<()> {
    let mut desk = Desk::open(true)?;
    RUNTIME.block_on(desk.shop.product.create_tenant(&desk.tenant, Some(&desk.customer), true))?;
    let mut prices = (0..11).map(|_| desk.shop.double.price()).collect::<Result<Vec<_>>>()?;
    prices.push(desk.shop.prices.licenses[0].clone());
    let items = prices.iter().enumerate().flat_map(|(n, price)| {
        [(format!("items[{n}][price]"), price.clone()), (format!("items[{n}][quantity]"), (n + 1).to_string())]
    });
    let form: Vec<(String, String)> =
        [("customer".to_owned(), desk.customer.clone())].into_iter().chain(items).collect();
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let subscription = desk.shop.double.make("/subscriptions", &form)?;
    let shown = desk.shop.double.get(&format!("/subscriptions/{subscription}"))?;
    ensure!(shown["items"]["has_more"] == true, "all items are shown at once");
    ensure!(is_written(desk.sync(&subscription)?), "it was not written");
    assert_eq!((desk.count()?.as_str(), desk.row(&subscription)?), ("12", active(12)));
    Ok(())
}
