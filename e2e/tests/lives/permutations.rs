//! Every order of one subscription's events, and every order of the answers that they led to.

use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::books::Books;
use crate::life::new_events;
use crate::oracle::{self, Count};
use crate::product::{Batch, Ended, Read};
use crate::shop::{RUNTIME, Shop};

/// Threads that share the orders of a test; each has a life of its own.
const BESIDE: usize = 4;
const MONTH_AND_A_DAY: u64 = 32 * 86_400;

/// What happens to the subscription, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Created,
    MoreSeats,
    Tagged,
    Scheduled,
    ScheduleApplied,
    Deleted,
}

use Step::{Created, Deleted, MoreSeats, ScheduleApplied, Scheduled, Tagged};

const WHOLE: [Step; 6] = [Created, MoreSeats, Tagged, Scheduled, ScheduleApplied, Deleted];
const ALIVE: [Step; 5] = [Created, MoreSeats, Tagged, Scheduled, ScheduleApplied];
const SHORT: [Step; 5] = [Created, MoreSeats, Scheduled, ScheduleApplied, Deleted];

/// A tenant, its subscription, and what was told of each step.
struct Scene {
    shop: Shop,
    books: Books,
    customer: String,
    tenant: String,
    subscription: String,
    looked_at: Option<String>,
    /// The events of each step so far.
    told: Vec<Vec<String>>,
}

impl Scene {
    fn open() -> Result<Self> {
        let (shop, mut books) = (Shop::open(false)?, Books::open()?);
        let tenant = books.value("SELECT gen_random_uuid()")?;
        let customer = shop.double.customer("ann@example.com")?;
        RUNTIME.block_on(shop.product.create_tenant(&tenant, Some(&customer), true))?;
        let (subscription, looked_at, told) = (String::new(), None, Vec::new());
        Ok(Self { shop, books, customer, tenant, subscription, looked_at, told })
    }

    fn step(&mut self, step: Step) -> Result<()> {
        let double = &self.shop.double;
        let path = format!("/subscriptions/{}", self.subscription);
        match step {
            Created => {
                self.subscription = double.subscription(&self.customer, &self.shop.prices.licenses[0], 10)?;
            }
            MoreSeats => double.set_quantity(&self.subscription, 15)?,
            Tagged => drop(double.post(&path, &[("metadata[tenant_id]", &self.tenant)])?),
            Scheduled => drop(double.schedule_quantity(&self.subscription, 4)?),
            ScheduleApplied => double.advance(MONTH_AND_A_DAY)?,
            Deleted => drop(double.delete(&path)?),
        }
        let events = new_events(&self.shop, &mut self.looked_at)?;
        let told: Vec<String> = events.into_iter().map(|event| event.id).collect();
        ensure!(!told.is_empty(), "nothing was told of {step:?}");
        for event in &told {
            self.shop.product.take_in(event, &self.subscription, None)?;
        }
        self.told.push(told);
        Ok(())
    }

    fn batch(&self, place: usize) -> Batch {
        Batch::new(&self.subscription, &self.told[place])
    }

    fn handle(&self, place: usize) -> Result<()> {
        let ended = RUNTIME.block_on(self.shop.product.handle(&self.batch(place)))?;
        ensure!(matches!(ended, Ended::Written(..)), "{ended:?}");
        Ok(())
    }

    /// As if nothing had been handled yet.
    fn forget(&mut self) -> Result<()> {
        let (tenant, subscription) = (&self.tenant, &self.subscription);
        self.books
            .run(&format!(
                "BEGIN;
                 DELETE FROM license_changes WHERE tenant = '{tenant}';
                 DELETE FROM stripe_subscriptions WHERE tenant = '{tenant}';
                 UPDATE tenants SET licensed_user_count = 0 WHERE tenant = '{tenant}';
                 UPDATE stripe_webhook_events SET processing_status = 'pending' WHERE object_id = '{subscription}';
                 COMMIT"
            ))
            .map(drop)
    }

    fn check(&mut self) -> Result<()> {
        let at_stripe = self.shop.double.get(&format!("/subscriptions/{}?expand[]=schedule", self.subscription))?;
        self.check_against(&at_stripe)
    }

    /// Row, count, audit and events.
    fn check_against(&mut self, at_stripe: &Value) -> Result<()> {
        let expected = oracle::row(&self.tenant, at_stripe, &[]);
        let mut found = self.books.subscriptions(std::slice::from_ref(&self.subscription))?.pop().context("no row")?;
        let metadata: Value = serde_json::from_str(&found.pop().context("no metadata")?)?;
        found.push(metadata.to_string());
        ensure!(found == expected, "row:\n  {found:?}\nexpected:\n  {expected:?}");
        let Count::Is(expected) = oracle::count([at_stripe], &[]) else { anyhow::bail!("it has a count") };
        let mut count = "0".to_owned();
        for change in self.books.changes(&self.tenant)? {
            ensure!(change.from == count, "{change:?} does not begin at {count}");
            count = change.to;
        }
        ensure!(count == expected.to_string(), "the changes lead to {count}, not to {expected}");
        ensure!(self.books.count(&self.tenant)? == count, "the count is not what the changes lead to");
        let events = self.books.events(std::slice::from_ref(&self.subscription))?;
        let expected: usize = self.told.iter().map(Vec::len).sum();
        let completed = events.iter().filter(|row| row[2] == "completed").count();
        ensure!((events.len(), completed) == (expected, expected), "{events:?}");
        Ok(())
    }
}

/// The life is over before the first event is handled. One of each order's comes twice.
#[test]
fn every_order_of_a_lifes_events_ends_alike() -> Result<()> {
    for steps in [WHOLE.as_slice(), &ALIVE] {
        share(&orders(steps.len()), |orders| {
            let mut scene = Scene::open()?;
            steps.iter().try_for_each(|step| scene.step(*step))?;
            for (n, order) in orders.iter().enumerate() {
                scene.forget()?;
                let again = order[n % order.len()];
                let handled = order.iter().chain([&again]).try_for_each(|place| scene.handle(*place));
                handled.and_then(|()| scene.check()).with_context(|| format!("{steps:?} in the order {order:?}"))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Stripe is read after each step, and the answers are written in any order: the newest stays.
#[test]
fn the_newest_answer_stays_in_whatever_order_they_are_written() -> Result<()> {
    for steps in [WHOLE.as_slice(), &ALIVE] {
        share(&orders(steps.len()), |orders| {
            let mut scene = Scene::open()?;
            let mut reads: Vec<Read> = Vec::new();
            for (place, step) in steps.iter().enumerate() {
                scene.step(*step)?;
                reads.push(RUNTIME.block_on(scene.shop.product.read(&scene.batch(place)))?);
            }
            for order in orders {
                scene.forget()?;
                for place in order {
                    RUNTIME.block_on(scene.shop.product.write(&reads[*place]))?.context("no tenant")?;
                }
                scene.check().with_context(|| format!("{steps:?} read in order, written as {order:?}"))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Each event is handled as soon as it is told of or any number of steps later, after newer ones.
#[test]
fn an_event_may_be_handled_any_number_of_steps_late() -> Result<()> {
    for steps in [SHORT.as_slice(), &ALIVE[..4]] {
        share(&delays(steps.len()), |delays| {
            let mut scene = Scene::open()?;
            for delay in delays {
                scene.start_over()?;
                let lived = scene.live(steps, delay).and_then(|()| scene.check());
                lived.with_context(|| format!("{steps:?}, handled after steps {delay:?}"))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

impl Scene {
    /// Another subscription of the same customer.
    fn start_over(&mut self) -> Result<()> {
        self.forget()?;
        if !self.subscription.is_empty() {
            // It may have ended already.
            let _ = self.shop.double.delete(&format!("/subscriptions/{}", self.subscription));
            new_events(&self.shop, &mut self.looked_at)?;
        }
        self.told.clear();
        Ok(())
    }

    /// The event of step `k` is handled after step `delay[k]`, the newest of them first.
    fn live(&mut self, steps: &[Step], delay: &[usize]) -> Result<()> {
        for (now, step) in steps.iter().enumerate() {
            self.step(*step)?;
            for place in (0..=now).rev().filter(|place| delay[*place] == now) {
                self.handle(place)?;
            }
        }
        Ok(())
    }
}

/// Every order of the numbers below `length`.
fn orders(length: usize) -> Vec<Vec<usize>> {
    let Some(last) = length.checked_sub(1) else { return vec![Vec::new()] };
    let insert = |order: Vec<usize>| {
        (0..=order.len()).map(move |place| {
            let mut order = order.clone();
            order.insert(place, last);
            order
        })
    };
    orders(last).into_iter().flat_map(insert).collect()
}

/// Every way to give each step one that is not before it.
fn delays(length: usize) -> Vec<Vec<usize>> {
    (0..length).fold(vec![Vec::new()], |delays, step| {
        let later = |delay: Vec<usize>| (step..length).map(move |late| [delay.as_slice(), &[late]].concat());
        delays.into_iter().flat_map(later).collect()
    })
}

/// Does the work in equal parts beside each other.
fn share<T: Sync>(all: &[T], work: impl Fn(&[T]) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let parts = all.chunks(all.len().div_ceil(BESIDE));
        let beside: Vec<_> = parts.map(|part| scope.spawn(|| work(part))).collect();
        beside.into_iter().try_for_each(|part| part.join().expect("it does not panic"))
    })
}
