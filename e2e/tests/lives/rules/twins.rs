//! Rule 8: of a snapshot event and its thin twin one is completed and the other superseded,
//! however they come.

use anyhow::Result;

use super::desk::Desk;
use crate::product::Batch;

/// Handles snapshot (0) and thin event (1) in these batches, and looks at both.
fn check(batches: &[&[usize]], expected: [&str; 2]) -> Result<()> {
    let mut desk = Desk::with_tenant(true)?;
    let subscription = desk.subscribe(10, &[])?;
    let snapshot = desk.told(&subscription)?.events.remove(0);
    let both = Batch::new(&subscription, &[snapshot.clone(), format!("{snapshot}thin")]);
    desk.shop.product.take_in(&both.events[1], &subscription, Some(&snapshot))?;
    for batch in batches {
        let events: Vec<String> = batch.iter().map(|place| both.events[*place].clone()).collect();
        desk.handle(&Batch::new(&subscription, &events))?;
    }
    assert_eq!(desk.statuses(&both)?, expected, "{batches:?}");
    let rows = desk.books.events(&[subscription])?;
    let reasons: Vec<&str> = rows.iter().map(|row| row[3].as_str()).filter(|reason| !reason.is_empty()).collect();
    let twin = &both.events[usize::from(expected[0] == "superseded")];
    assert_eq!(reasons, [format!("the same change was told by {twin}")], "{batches:?}");
    Ok(())
}

#[test]
fn of_twins_the_first_is_completed_and_the_second_superseded() -> Result<()> {
    check(&[&[0, 1]], ["completed", "superseded"])?;
    check(&[&[1, 0]], ["completed", "superseded"])?;
    check(&[&[0], &[1]], ["completed", "superseded"])?;
    check(&[&[1], &[0]], ["superseded", "completed"])?;
    check(&[&[1], &[1, 0], &[0]], ["superseded", "completed"])
}
