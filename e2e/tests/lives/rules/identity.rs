//! Whose a subscription is: its tag says so if there is such a tenant, else its customer's row.

use anyhow::Result;
use domain::failure::FailureKind;

use super::desk::{Desk, active};
use crate::product::Ended;
use crate::shop::RUNTIME;

#[test]
fn where_tag_and_customer_name_two_tenants_nothing_is_guessed() -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let other = desk.another_tenant()?;
    let before = [desk.books.fingerprint(&desk.tenant)?, desk.books.fingerprint(&other)?];
    let subscription = desk.subscribe(10, &[("metadata[tenant_id]", &other)])?;
    let batch = desk.told(&subscription)?;
    assert_eq!(desk.handle(&batch)?, Ended::Failed(FailureKind::ConflictError));
    assert_eq!([desk.books.fingerprint(&desk.tenant)?, desk.books.fingerprint(&other)?], before);
    assert_eq!((desk.row(&subscription)?, desk.statuses(&batch)?), (None, vec!["failed".to_owned()]));
    let reason = &desk.books.events(&[subscription])?[0][3];
    assert!([&desk.tenant, &other].iter().all(|tenant| reason.contains(tenant.as_str())), "{reason}");
    Ok(())
}

#[test]
fn the_tag_of_a_tenant_that_does_not_exist_says_nothing() -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let nobody = desk.books.value("SELECT gen_random_uuid()")?;
    let subscription = desk.subscribe(10, &[("metadata[tenant_id]", &nobody)])?;
    desk.sync(&subscription)?;
    assert_eq!((desk.row(&subscription)?, desk.count()?.as_str()), (active(10), "10"));
    Ok(())
}

#[test]
fn a_missing_customer_row_is_written_for_the_tagged_tenant() -> Result<()> {
    let mut desk = Desk::open(false)?;
    RUNTIME.block_on(desk.shop.product.create_tenant(&desk.tenant, None, true))?;
    let subscription = desk.subscribe(10, &[("metadata[tenant_id]", &desk.tenant)])?;
    desk.sync(&subscription)?;
    assert_eq!((desk.row(&subscription)?, desk.count()?.as_str()), (active(10), "10"));
    Ok(())
}

/// A tenant has one customer: a tag does not give it a second.
#[test]
fn a_tag_gives_no_tenant_a_second_customer() -> Result<()> {
    let mut desk = Desk::open(false)?;
    let other = desk.another_tenant()?;
    let before = desk.books.fingerprint(&other)?;
    let subscription = desk.subscribe(10, &[("metadata[tenant_id]", &other)])?;
    assert_eq!(desk.sync(&subscription)?, Ended::Failed(FailureKind::ConflictError));
    assert_eq!(desk.books.fingerprint(&other)?, before);
    Ok(())
}
