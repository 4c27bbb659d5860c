//! Rule 4: a stale read never wins, and a 404 says nothing.

use anyhow::{Context, Result};
use domain::failure::FailureKind;

use super::desk::{Desk, active};
use crate::product::Ended;

#[test]
fn an_older_answer_that_is_written_later_changes_nothing() -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let subscription = desk.subscribe(10, &[])?;
    let first = desk.told(&subscription)?;
    let stale = desk.read(&first)?;
    desk.shop.double.set_quantity(&subscription, 12)?;
    let second = desk.told(&subscription)?;
    let fresh = desk.read(&second)?;
    desk.write(&fresh)?.context("no tenant")?;
    desk.write(&stale)?.context("no tenant")?;
    assert_eq!((desk.row(&subscription)?, desk.count()?.as_str()), (active(12), "12"));
    // A newer read than that of the first event is in the rows, so it is settled too.
    assert_eq!([desk.statuses(&first)?, desk.statuses(&second)?], [["completed"], ["completed"]]);
    assert_eq!(desk.books.changes(&desk.tenant)?.len(), 1);
    Ok(())
}

/// The order of tickets is that of the requests, not that of the writes.
#[test]
fn a_newer_answer_is_written_over_an_older_one() -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let subscription = desk.subscribe(10, &[])?;
    let batch = desk.told(&subscription)?;
    let stale = desk.read(&batch)?;
    desk.shop.double.set_quantity(&subscription, 12)?;
    let fresh = desk.read(&batch)?;
    for (read, expected) in [(&stale, 10), (&fresh, 12), (&stale, 12)] {
        desk.write(read)?.context("no tenant")?;
        assert_eq!((desk.row(&subscription)?, desk.count()?), (active(expected), expected.to_string()));
    }
    Ok(())
}

#[test]
fn a_404_changes_no_row_and_no_count() -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let subscription = desk.subscribe(10, &[])?;
    desk.sync(&subscription)?;
    let before = desk.books.fingerprint(&desk.tenant)?;
    desk.shop.double.set_quantity(&subscription, 12)?;
    let batch = desk.told(&subscription)?;
    desk.shop.double.fault("GET", &format!("/v1/subscriptions/{subscription}"), "not_found", 0)?;
    assert_eq!(desk.handle(&batch)?, Ended::Failed(FailureKind::StripeNotFound));
    assert_eq!(desk.books.fingerprint(&desk.tenant)?, before);
    assert_eq!(desk.statuses(&batch)?, ["failed"]);
    Ok(())
}
