//! A life: what a customer does at Stripe, and everything that can happen to the events of it
//! on their way into the rows.

use std::collections::VecDeque;

use anyhow::{Context, Result};
use e2e::Double;
use futures::future::try_join_all;
use serde_json::Value;

use crate::books::Books;
use crate::buyer::Buyer;
use crate::chance::Chance;
use crate::facts::{Birth, Event, Facts};
use crate::product::{Batch, Ended, Read};
use crate::shop::{RUNTIME, Shop};

/// A life under way.
pub(crate) struct Life<'a> {
    shop: &'a Shop,
    pub(crate) books: &'a mut Books,
    chance: Chance,
    pub(crate) facts: Facts<'a>,
    is_born: bool,
    /// The newest event of the double's that was looked at.
    looked_at: Option<String>,
    /// Made at Stripe and not here yet.
    on_the_way: Vec<Event>,
    /// Taken in and to be handed over, some of them again.
    due: Vec<Event>,
    /// Reads whose answers wait to be written.
    reads: Vec<Read>,
    pub(crate) story: Vec<String>,
}

/// Events that are handled together, at most.
const BATCH_MAX: usize = 4;

impl<'a> Life<'a> {
    pub(crate) fn begin(shop: &'a Shop, books: &'a mut Books, mut chance: Chance) -> Result<Self> {
        let tenant = books.value("SELECT gen_random_uuid()")?;
        let tag = match chance.below(10) {
            0..4 => None,
            4..8 => Some(tenant.clone()),
            _ => Some(books.value("SELECT gen_random_uuid()")?),
        };
        let birth = match chance.below(20) {
            0..8 => Birth::First,
            8..15 => Birth::Midway,
            15..19 => Birth::Last,
            _ => Birth::Never,
        };
        let buyer = Buyer::new(&shop.double, &shop.prices, tag.clone())?;
        let count_follows = chance.percent(50);
        let story = vec![format!("{} is tagged {tag:?}; {tenant} is born {birth:?}", buyer.id)];
        let mut looked_at = None;
        new_events(shop, &mut looked_at)?;
        let (on_the_way, due, reads) = (Vec::new(), Vec::new(), Vec::new());
        let facts = Facts { count_follows, ..Facts::new(buyer, tenant, birth) };
        Ok(Self { shop, books, chance, facts, is_born: false, looked_at, on_the_way, due, reads, story })
    }

    /// Lives it to its end: afterwards nothing is on the way and nothing is waiting.
    pub(crate) fn live(&mut self, bystander: &str) -> Result<()> {
        if self.facts.birth == Birth::First {
            self.be_born()?;
        }
        self.subscribe(bystander)?;
        for _ in 0..4 + self.chance.below(8) {
            let did = self.facts.buyer.act(&mut self.chance)?;
            self.tell(did);
            self.look()?;
            for _ in 0..self.chance.below(4) {
                self.happen()?;
            }
        }
        if self.facts.birth == Birth::Midway && !self.is_born {
            self.be_born()?;
        }
        self.finish()
    }

    fn subscribe(&mut self, bystander: &str) -> Result<()> {
        let foreign = self.chance.percent(8).then_some(bystander);
        let did = self.facts.buyer.subscribe(&mut self.chance, foreign)?;
        if foreign.is_some() {
            self.facts.foreign.extend(self.facts.buyer.subscriptions.last().cloned());
        }
        self.tell(did);
        self.look()
    }

    /// Everything that is still under way comes to its end, in whatever order.
    fn finish(&mut self) -> Result<()> {
        self.tell("the life is over".to_owned());
        // Often the oldest answers are the last to be written.
        let slow = if self.chance.percent(60) { std::mem::take(&mut self.reads) } else { Vec::new() };
        self.settle_down()?;
        self.reads = slow;
        self.settle_down()?;
        if self.facts.birth == Birth::Last {
            self.be_born()?;
        }
        for _ in 0..3 {
            self.relay()?;
        }
        Ok(())
    }

    fn settle_down(&mut self) -> Result<()> {
        while !(self.on_the_way.is_empty() && self.due.is_empty() && self.reads.is_empty()) {
            self.happen()?;
        }
        Ok(())
    }

    fn happen(&mut self) -> Result<()> {
        match self.chance.below(12) {
            0..4 => self.arrive(),
            4..6 => self.handle_one(),
            6 => self.handle_all_at_once(),
            7 | 8 => self.read_one(),
            9 => self.write_one(),
            10 => self.something_rare(),
            _ => self.crash(),
        }
    }

    fn something_rare(&mut self) -> Result<()> {
        match self.chance.below(3) {
            0 => self.relay(),
            1 if self.facts.birth == Birth::Midway && !self.is_born => self.be_born(),
            _ => self.handle_twice_at_once(),
        }
    }

    /// Some events get here: in any order, some twice, some with a thin twin.
    fn arrive(&mut self) -> Result<()> {
        for _ in 0..1 + self.chance.below(3) {
            let Some(event) = self.chance.take(&mut self.on_the_way) else { return Ok(()) };
            self.shop.product.take_in(&event.id, &event.subscription, event.twin_of.as_deref())?;
            if self.chance.percent(20) {
                self.on_the_way.push(event.clone());
            }
            self.tell(format!("{} of {} arrived", event.id, event.subscription));
            self.due.push(event);
        }
        Ok(())
    }

    fn handle_one(&mut self) -> Result<()> {
        let Some(batch) = self.batch() else { return Ok(()) };
        self.run(vec![batch]).map(drop)
    }

    /// One batch of each subscription, beside each other; perhaps beside the tenant's birth too.
    fn handle_all_at_once(&mut self) -> Result<()> {
        let mut batches: Vec<Batch> = Vec::new();
        while let Some(batch) = self.batch() {
            batches.push(batch);
        }
        if self.facts.birth != Birth::Midway || self.is_born {
            return self.run(batches).map(drop);
        }
        self.is_born = true;
        self.tell("born meanwhile".to_owned());
        let (product, tenant, customer) =
            (self.shop.product.clone(), self.facts.tenant.clone(), self.facts.buyer.id.clone());
        let count_follows = self.facts.count_follows;
        let birth = RUNTIME.spawn(async move { product.create_tenant(&tenant, Some(&customer), count_follows).await });
        self.run(batches)?;
        RUNTIME.block_on(birth)?
    }

    /// Two workers have the same events.
    fn handle_twice_at_once(&mut self) -> Result<()> {
        let Some(batch) = self.batch() else { return Ok(()) };
        self.run(vec![batch.clone(), batch]).map(drop)
    }

    fn run(&mut self, batches: Vec<Batch>) -> Result<Vec<Ended>> {
        let tasks = batches.iter().cloned().map(|batch| {
            let product = self.shop.product.clone();
            RUNTIME.spawn(async move { product.handle(&batch).await })
        });
        let ended = RUNTIME.block_on(try_join_all(tasks.collect::<Vec<_>>()))?;
        let ended = ended.into_iter().collect::<Result<Vec<_>>>().with_context(|| format!("{batches:?}"))?;
        for (batch, ended) in batches.into_iter().zip(&ended) {
            self.tell(format!("handled {batch:?}: {ended:?}"));
            // The worker died before it could say so.
            if self.chance.percent(10) {
                self.hand_over_again(&batch);
            }
        }
        Ok(ended)
    }

    /// Takes events of one subscription out of those that are due.
    fn batch(&mut self) -> Option<Batch> {
        let subscription = self.chance.pick(&self.due)?.subscription.clone();
        let of_it = |event: &Event| event.subscription == subscription;
        let (mut taken, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.due).into_iter().partition(of_it);
        self.chance.shuffle(&mut taken);
        let left = taken.split_off(taken.len().min(1 + self.chance.below(BATCH_MAX)));
        self.due = rest.into_iter().chain(left).collect();
        let ids: Vec<String> = taken.into_iter().map(|event| event.id).collect();
        Some(Batch::new(&subscription, &ids))
    }

    fn read_one(&mut self) -> Result<()> {
        let Some(batch) = self.batch() else { return Ok(()) };
        let read = RUNTIME.block_on(self.shop.product.read(&batch))?;
        self.tell(format!("read for {batch:?}"));
        self.reads.push(read);
        Ok(())
    }

    /// The answer of any of the reads is written, however old it is.
    fn write_one(&mut self) -> Result<()> {
        let Some(read) = self.chance.take(&mut self.reads) else { return Ok(()) };
        let ended = match RUNTIME.block_on(self.shop.product.write(&read))? {
            Some(ended) => ended,
            None => {
                if self.facts.birth == Birth::Midway && !self.is_born && self.chance.percent(30) {
                    self.be_born()?;
                }
                RUNTIME.block_on(self.shop.product.write_or_park(&read))?
            }
        };
        self.tell(format!("wrote what was read for {:?}: {ended:?}", read.batch));
        Ok(())
    }

    /// A worker dies between read and write.
    fn crash(&mut self) -> Result<()> {
        let Some(read) = self.chance.take(&mut self.reads) else { return Ok(()) };
        self.tell(format!("died with what was read for {:?}", read.batch));
        self.hand_over_again(&read.batch);
        Ok(())
    }

    fn hand_over_again(&mut self, batch: &Batch) {
        let again = self.facts.events.iter().filter(|event| batch.events.contains(&event.id)).cloned();
        self.due.extend(again);
    }

    /// Hands over what is open, as the relay does.
    fn relay(&mut self) -> Result<()> {
        let open = self.books.events(&self.facts.buyer.subscriptions)?;
        let pending: Vec<_> = open.iter().filter(|row| row[2] == "pending").collect();
        let of = |subscription: &String| -> Vec<String> {
            pending.iter().filter(|row| row[1] == *subscription).map(|row| row[0].clone()).collect()
        };
        let batches: Vec<Batch> = self
            .facts
            .buyer
            .subscriptions
            .iter()
            .map(|subscription| Batch::new(subscription, &of(subscription)))
            .collect();
        self.run(batches.into_iter().filter(|batch| !batch.events.is_empty()).collect()).map(drop)
    }

    fn be_born(&mut self) -> Result<()> {
        self.is_born = true;
        self.tell("born".to_owned());
        let birth =
            self.shop.product.create_tenant(&self.facts.tenant, Some(&self.facts.buyer.id), self.facts.count_follows);
        RUNTIME.block_on(birth)
    }

    /// Notes what Stripe says now, and the events that it has made since.
    fn look(&mut self) -> Result<()> {
        self.facts.past.extend(self.facts.buyer.all_at_stripe()?);
        for event in new_events(self.shop, &mut self.looked_at)? {
            if self.chance.percent(20) {
                let twin = Event { id: format!("{}thin", event.id), twin_of: Some(event.id.clone()), ..event.clone() };
                self.on_the_way.push(twin.clone());
                self.facts.events.insert(twin);
            }
            self.on_the_way.push(event.clone());
            self.facts.events.insert(event);
        }
        Ok(())
    }

    fn tell(&mut self, what: String) {
        self.story.push(what);
    }
}

/// The events about subscriptions that the double has made since `looked_at`, the oldest first.
pub(crate) fn new_events(shop: &Shop, looked_at: &mut Option<String>) -> Result<Vec<Event>> {
    Ok(new_envelopes(&shop.double, looked_at)?.iter().filter_map(event).collect())
}

/// All that it has made since and still keeps, whatever they are about.
pub(crate) fn new_envelopes(double: &Double, looked_at: &mut Option<String>) -> Result<Vec<Value>> {
    let newer = looked_at.as_deref().map(|id| pages(double, "ending_before", Some(id)));
    let found = match newer {
        Some(Ok(found)) => found,
        // After a leap of the clock the last one that was seen is forgotten, and what is kept is newer.
        Some(Err(_)) | None => all_kept(double)?,
    };
    if let Some(last) = found.last().and_then(|event| event["id"].as_str()) {
        *looked_at = Some(last.to_owned());
    }
    Ok(found)
}

/// Again where one is forgotten behind which the next page was to begin.
fn all_kept(double: &Double) -> Result<Vec<Value>> {
    let kept = || pages(double, "starting_after", None);
    kept().or_else(|_| kept())
}

/// Page after page from the cursor on, the oldest event first.
fn pages(double: &Double, direction: &str, cursor: Option<&str>) -> Result<Vec<Value>> {
    let (mut found, mut cursor) = (VecDeque::new(), cursor.map(str::to_owned));
    loop {
        let from = cursor.map(|id| format!("&{direction}={id}")).unwrap_or_default();
        let page = double.get(&format!("/events?limit=100{from}"))?;
        let events = page["data"].as_array().context("a list")?;
        // Every page is newest first; forwards, the next one is newer.
        match direction {
            "ending_before" => found.extend(events.iter().rev().cloned()),
            _backwards => events.iter().for_each(|event| found.push_front(event.clone())),
        }
        let next = if direction == "ending_before" { found.back() } else { found.front() };
        cursor = next.and_then(|event| event["id"].as_str()).map(str::to_owned);
        if page["has_more"] != true {
            return Ok(found.into());
        }
    }
}

/// A snapshot event about a subscription or its schedule, if it is one.
pub(crate) fn event(event: &Value) -> Option<Event> {
    let (kind, object) = (event["type"].as_str()?, &event["data"]["object"]);
    let subscription = match kind {
        kind if kind.starts_with("customer.subscription.") => object["id"].as_str()?,
        kind if kind.starts_with("subscription_schedule.") => {
            object["subscription"].as_str().or(object["released_subscription"].as_str())?
        }
        _ => return None,
    };
    Some(Event { id: event["id"].as_str()?.to_owned(), subscription: subscription.to_owned(), twin_of: None })
}
