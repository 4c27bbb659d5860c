//! Rule 8: no event is parked behind the back of whoever gives its customer a tenant.

use anyhow::{Context, Result, ensure};
use tokio::task::JoinHandle;

use super::desk::{Desk, active, is_written};
use crate::books::Books;
use crate::product::{Ended, Read};
use crate::shop::{RUNTIME, wait_for_lock_waiters};

/// Between the look that finds no tenant and the parking, and the tenant's birth.
struct Meeting {
    desk: Desk,
    subscription: String,
    lock: Books,
    holder: String,
    waiting: usize,
}

impl Meeting {
    /// Somebody holds the customer; an event was read, and no tenant was found for it.
    fn arrange() -> Result<(Self, Read)> {
        let mut desk = Desk::open(false)?;
        let subscription = desk.subscribe(10, &[])?;
        let batch = desk.told(&subscription)?;
        let read = desk.read(&batch)?;
        ensure!(desk.write(&read)?.is_none(), "there is no tenant yet");
        let mut lock = Books::open()?;
        lock.run("BEGIN")?;
        lock.run(&format!("SELECT pg_advisory_xact_lock(hashtextextended('{}', 0))", desk.customer))?;
        let holder = lock.value("SELECT pg_backend_pid()")?;
        Ok((Self { desk, subscription, lock, holder, waiting: 0 }, read))
    }

    fn is_waiting(&mut self) -> Result<()> {
        self.waiting += 1;
        wait_for_lock_waiters(&mut self.desk.books, &self.holder, self.waiting)
    }

    fn birth(&mut self) -> Result<JoinHandle<Result<()>>> {
        let (product, tenant) = (self.desk.shop.product.clone(), self.desk.tenant.clone());
        let customer = self.desk.customer.clone();
        let birth = RUNTIME.spawn(async move { product.create_tenant(&tenant, Some(&customer), true).await });
        self.is_waiting()?;
        Ok(birth)
    }

    fn parking(&mut self, read: Read) -> Result<JoinHandle<Result<Ended>>> {
        let product = self.desk.shop.product.clone();
        let parking = RUNTIME.spawn(async move { product.write_or_park(&read).await });
        self.is_waiting()?;
        Ok(parking)
    }

    fn status(&mut self) -> Result<String> {
        let row = self.desk.books.events(std::slice::from_ref(&self.subscription))?.pop().context("no event")?;
        Ok(row[2].clone())
    }
}

#[test]
fn an_event_is_not_parked_where_the_tenant_was_made_meanwhile() -> Result<()> {
    let (mut meeting, read) = Meeting::arrange()?;
    let birth = meeting.birth()?;
    let parking = meeting.parking(read)?;
    meeting.lock.run("COMMIT")?;
    RUNTIME.block_on(birth)??;
    ensure!(is_written(RUNTIME.block_on(parking)??), "it was parked");
    assert_eq!(meeting.status()?, "completed");
    assert_eq!(meeting.desk.row(&meeting.subscription)?, active(10));
    Ok(())
}

#[test]
fn an_event_that_was_parked_first_is_released_by_the_birth() -> Result<()> {
    let (mut meeting, read) = Meeting::arrange()?;
    let batch = read.batch.clone();
    let parking = meeting.parking(read)?;
    let birth = meeting.birth()?;
    meeting.lock.run("COMMIT")?;
    assert_eq!(RUNTIME.block_on(parking)??, Ended::Parked);
    RUNTIME.block_on(birth)??;
    assert_eq!(meeting.status()?, "pending");
    ensure!(is_written(meeting.desk.handle(&batch)?), "the relay handed it over in vain");
    assert_eq!((meeting.status()?.as_str(), meeting.desk.count()?.as_str()), ("completed", "10"));
    Ok(())
}

/// An import gives a customer its tenant too: by the tag of another subscription.
#[test]
fn a_sync_that_claims_the_customer_releases_what_was_parked() -> Result<()> {
    let mut desk = Desk::open(false)?;
    let parked = desk.subscribe(10, &[])?;
    let batch = desk.told(&parked)?;
    assert_eq!(desk.handle(&batch)?, Ended::Parked);
    assert_eq!(desk.statuses(&batch)?, ["parked"]);
    RUNTIME.block_on(desk.shop.product.create_tenant(&desk.tenant, None, true))?;
    assert_eq!(desk.statuses(&batch)?, ["parked"]);
    let tagged = desk.subscribe(3, &[("metadata[tenant_id]", &desk.tenant)])?;
    ensure!(is_written(desk.sync(&tagged)?), "its tag names its tenant");
    assert_eq!(desk.statuses(&batch)?, ["pending"]);
    ensure!(is_written(desk.handle(&batch)?), "the relay handed it over in vain");
    assert_eq!(desk.row(&parked)?, active(10));
    Ok(())
}
