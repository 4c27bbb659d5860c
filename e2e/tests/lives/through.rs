//! Random lives that go through everything: Stripe, shim, inbox, Temporal, worker, rows. They are
//! lived beside each other in one world, and what Stripe tells of them comes late, twice and in
//! any order.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::{Double, Ending, Purchase, Shim, World};
use serde_json::{Value, json};
use stack::deadline;

use crate::books::Books;
use crate::buyer::Buyer;
use crate::chance::Chance;
use crate::facts::{Birth, Event, Facts};
use crate::shop::Prices;
use crate::{check, life, oracle};

const LIVES: usize = 50;
/// Lives that act at the same time.
const BESIDE: usize = 5;
/// After each round time passes for all of them, and what was held back comes.
const ROUNDS: usize = 5;
/// Stripe lists an event for thirty days, and what happened is looked at once in every round.
const DAYS_MAX: usize = 28;
const PATIENCE: Duration = Duration::from_secs(300);

/// What so many lives come to among them, whatever the seed.
const ENDS: [&str; 6] = ["active", "canceled", "no limit", "completed", "superseded", "parked"];

/// Where they are lived.
struct Scene<'a> {
    world: &'a World,
    license_prices: &'a [String],
    /// A tenant that has nothing to do with any of them.
    bystander: &'a str,
}

/// What no licence depends on would come too, and take most of the time.
const UNHEARD: [&str; 10] = [
    "charge.*",
    "customer.created",
    "customer.updated",
    "invoice.created",
    "invoice.finalized",
    "invoice_payment.*",
    "invoiceitem.*",
    "payment_intent.*",
    "payment_method.*",
    "setup_intent.*",
];

/// One of them.
struct Lived<'a> {
    facts: Facts<'a>,
    chance: Chance,
    story: Vec<String>,
    is_first: bool,
}

#[test]
fn fifty_lives_go_through_everything() -> Result<()> {
    let seed = seed()?;
    live(Chance::of(seed), seed).with_context(|| format!("TENANTRY_THROUGH_SEED={seed} repeats what is done at Stripe"))
}

/// `TENANTRY_THROUGH_SEED` repeats what is done at Stripe, and what becomes of its deliveries.
fn seed() -> Result<u64> {
    if let Ok(seed) = std::env::var("TENANTRY_THROUGH_SEED") {
        return seed.parse().context("TENANTRY_THROUGH_SEED");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let seed = u64::try_from(now.as_nanos() % u128::from(u64::MAX))?;
    // Past the capture of the test's output.
    writeln!(std::io::stderr(), "lives through everything: TENANTRY_THROUGH_SEED={seed}")?;
    Ok(seed)
}

fn live(mut chance: Chance, seed: u64) -> Result<()> {
    let world = World::named("through").without_worker()?;
    let prices = Prices::at(&world.stripe)?;
    let license_prices = if chance.percent(50) { prices.licenses.clone() } else { Vec::new() };
    let _shims = open(&world, &license_prices)?;
    let mut books = Books::of(&world)?;
    let bystander = bystander(&world, &prices)?;
    let untouched = books.fingerprint(&bystander)?;
    let scene = Scene { world: &world, license_prices: &license_prices, bystander: &bystander };
    let begin = |n| Lived::begin(&world.stripe, &prices, &mut books, (n, Chance::of(chance.draw())));
    let mut lives = (0..LIVES).map(begin).collect::<Result<Vec<_>>>()?;
    let (mut told, mut looked_at) = (Vec::new(), None);
    life::new_envelopes(&world.stripe, &mut looked_at)?;
    disturb(&world.stripe, seed)?;
    for round in 0..ROUNDS {
        beside(&mut lives, |life| life.round(round, &scene))?;
        release(&world.stripe, seed.wrapping_add(round as u64))?;
        world.stripe.advance(86_400 * (1 + chance.below(DAYS_MAX)) as u64)?;
        beside(&mut lives, |life| life.look(&world.stripe))?;
        told.extend(life::new_envelopes(&world.stripe, &mut looked_at)?);
    }
    world.stripe.delivery_policy(&json!({"retry_ms": 300, "drop": {"types": UNHEARD}}))?;
    release(&world.stripe, seed)?;
    world.wait_until_settled()?;
    beside(&mut lives, |life| match life.facts.birth {
        Birth::Last => life.be_born(&scene),
        Birth::First | Birth::Midway | Birth::Never => Ok(()),
    })?;
    world.wait_until_settled()?;
    beside(&mut lives, |life| life.look(&world.stripe))?;
    told.extend(life::new_envelopes(&world.stripe, &mut looked_at)?);
    lives.iter_mut().for_each(|life| life.is_told(&told));
    ensure!(books.fingerprint(&bystander)? == untouched, "somebody else's tenant was touched");
    assert_disturbed(&world.stripe)?;
    world.assert_accounted()?;
    judge(&lives, &mut books, &license_prices)
}

/// The worker, a shim at the end of the line, and one that only looks for what is left lying.
fn open(world: &World, license_prices: &[String]) -> Result<[Shim; 2]> {
    let listed = license_prices.join(",");
    let settings = [("LICENSE_PRICE_IDS", listed.as_str())];
    world.start_worker(if listed.is_empty() { &[] } else { &settings })?;
    let line = world.line(None)?;
    // Who has no tenant in the end is to have none; and a busy machine is not to be made busier.
    let settings = [("STRANDED_PURCHASE_AFTER", "1h"), ("EVENT_REDISPATCH_AFTER", "10s")];
    Ok([world.start_shim_on(&line, &settings)?, world.start_shim(&settings)?])
}

/// Sends what was held back. Nothing may be on the way when days pass: Stripe would give it up.
fn release(double: &Double, seed: u64) -> Result<()> {
    // What is due already, such as the news that a schedule soon ends, comes before and not after.
    double.advance(0)?;
    double.release_shuffled(seed)?;
    deadline::poll("everything to be delivered", PATIENCE, || {
        Ok(double.deliveries("state=pending")?.is_empty().then_some(()))
    })
}

/// Its licences are paid for a year, so that nothing happens to it by itself.
fn bystander(world: &World, prices: &Prices) -> Result<String> {
    let customer = world.stripe.customer("bob@example.com")?;
    let subscription = world.stripe.subscription(&customer, &prices.licenses[1], 7)?;
    let result = world.onboard(&Purchase { customer, subscription, quantity: 7 })?.result()?;
    world.wait_until_settled()?;
    result["tenant_id"].as_str().map(str::to_owned).context("no tenant")
}

/// Some of what Stripe sends is held back until the round is over, some comes late, some twice.
fn disturb(double: &Double, seed: u64) -> Result<()> {
    let some = |one_in: u64, nth: u64| json!({"one_in": one_in, "seed": seed.wrapping_add(nth)});
    let delay = json!({"ms": 300, "of": some(3, 2)});
    double.delivery_policy(&json!({"hold": some(2, 0), "duplicate": some(5, 1), "delay": delay, "retry_ms": 300, "drop": {"types": UNHEARD}}))
}

/// The test would prove less if every event had come once, and nothing if some had not come at all.
fn assert_disturbed(double: &Double) -> Result<()> {
    for state in ["held", "given_up"] {
        let left = double.deliveries(&format!("state={state}"))?;
        ensure!(left.is_empty(), "{state}: {left:?}");
    }
    let delivered = double.deliveries("state=delivered")?;
    let once: BTreeSet<_> = delivered.iter().map(|one| (&one.event, &one.endpoint)).collect();
    eprintln!("{} deliveries of {} events", delivered.len(), once.len());
    ensure!(delivered.len() > once.len() + once.len() / 10, "{} deliveries of {}", delivered.len(), once.len());
    Ok(())
}

/// Each does the same beside the others.
fn beside<'a>(lives: &mut [Lived<'a>], act: impl Fn(&mut Lived<'a>) -> Result<()> + Sync) -> Result<()> {
    let share = lives.len().div_ceil(BESIDE);
    thread::scope(|scope| {
        let act = &act;
        let threads: Vec<_> =
            lives.chunks_mut(share).map(|some| scope.spawn(move || some.iter_mut().try_for_each(act))).collect();
        threads.into_iter().try_for_each(|one| one.join().expect("it does not panic"))
    })
}

fn judge(lives: &[Lived<'_>], books: &mut Books, license_prices: &[String]) -> Result<()> {
    let mut came_to: BTreeMap<String, usize> = BTreeMap::new();
    for life in lives {
        let judged = check::life(books, &life.facts, license_prices);
        judged.with_context(|| format!("the story:\n  {}", life.story.join("\n  ")))?;
        for end in check::came_to(books, &life.facts)? {
            *came_to.entry(end).or_default() += 1;
        }
    }
    eprintln!("{LIVES} lives came to {came_to:?}");
    let missed: Vec<_> = ENDS.into_iter().filter(|end| !came_to.contains_key(*end)).collect();
    ensure!(missed.is_empty(), "no life came to {missed:?}");
    Ok(())
}

impl<'a> Lived<'a> {
    /// The first is never born and buys nothing of anybody else's, so that something stays parked.
    fn begin(
        double: &'a Double,
        prices: &'a Prices,
        books: &mut Books,
        (n, mut chance): (usize, Chance),
    ) -> Result<Self> {
        let tenant = books.value("SELECT gen_random_uuid()")?;
        let tag = chance.percent(40).then(|| tenant.clone());
        let birth = match chance.below(20) {
            _ if n == 0 => Birth::Never,
            0..8 => Birth::First,
            8..15 => Birth::Midway,
            15..18 => Birth::Last,
            _ => Birth::Never,
        };
        let buyer = Buyer::new(double, prices, tag.clone())?;
        let story = vec![format!("{} is tagged {tag:?}; {tenant} is born {birth:?}", buyer.id)];
        Ok(Self { facts: Facts::new(buyer, tenant, birth), chance, story, is_first: n == 0 })
    }

    fn round(&mut self, round: usize, scene: &Scene<'_>) -> Result<()> {
        match (round, self.facts.birth) {
            (0, Birth::First) | (2, Birth::Midway) => self.be_born(scene)?,
            (_, Birth::First | Birth::Midway | Birth::Last | Birth::Never) => {}
        }
        if round == 0 {
            self.subscribe(scene.bystander)?;
        }
        for _ in 0..1 + self.chance.below(2) {
            let did = self.facts.buyer.do_something(&mut self.chance)?;
            self.story.push(did);
            self.facts.past.extend(self.facts.buyer.all_at_stripe()?);
        }
        Ok(())
    }

    fn subscribe(&mut self, bystander: &str) -> Result<()> {
        let foreign = self.chance.percent(8).then_some(bystander).filter(|_| !self.is_first);
        let did = self.facts.buyer.subscribe(&mut self.chance, foreign)?;
        if foreign.is_some() {
            self.facts.foreign.extend(self.facts.buyer.subscriptions.last().cloned());
        }
        self.facts.past.extend(self.facts.buyer.all_at_stripe()?);
        self.story.push(did);
        Ok(())
    }

    /// The store starts the onboarding, sometimes for a subscription.
    fn be_born(&mut self, scene: &Scene<'_>) -> Result<()> {
        let subscription = self.importable(scene.license_prices)?.filter(|_| self.chance.percent(50));
        let mut call = json!({
            "email": "ann@example.com", "client_name": "A company", "tenant_id": self.facts.tenant,
            "stripe_customer_id": self.facts.buyer.id,
        });
        if let Some(subscription) = &subscription {
            call["stripe_subscription_id"] = json!(subscription);
            (self.facts.count_follows, self.facts.is_imported) = (true, true);
        }
        self.story.push(format!("born with {subscription:?}"));
        let run = scene.world.start_with(&format!("create-tenant-{}", self.facts.buyer.id), &call.to_string())?;
        match run.ending(PATIENCE)? {
            Ending::Completed(_) => Ok(()),
            // There is a tenant, and its count waits for a person.
            Ending::Failed(kind, _) if ["AmbiguousSubscription", "NotLicensable"].contains(&kind.as_str()) => Ok(()),
            ending @ (Ending::Failed(..) | Ending::Cancelled) => bail!("{ending:?}\n  {}", self.story.join("\n  ")),
        }
    }

    /// A subscription that the store would have sold.
    fn importable(&self, license_prices: &[String]) -> Result<Option<String>> {
        let is_sold = |subscription: &&Value| {
            let is_live = ["active", "trialing"].iter().any(|status| subscription["status"] == *status);
            let has_seats = oracle::seats(subscription, license_prices).is_some();
            let is_ours = subscription["id"].as_str().is_some_and(|id| !self.facts.foreign.contains(id));
            is_live && has_seats && is_ours && subscription["metadata"]["addon_key"].is_null()
        };
        let all = self.facts.buyer.all_at_stripe()?;
        Ok(all.iter().find(is_sold).and_then(|one| one["id"].as_str()).map(str::to_owned))
    }

    /// Notes what Stripe says now, and what its thin events told.
    fn look(&mut self, double: &Double) -> Result<()> {
        self.facts.past.extend(self.facts.buyer.all_at_stripe()?);
        for subscription in &self.facts.buyer.subscriptions {
            let mut page = format!("/core/events?limit=100&object_id={subscription}");
            while !page.is_empty() {
                let listed = double.get_v2(&page)?;
                let events = listed["data"].as_array().context("a page")?;
                self.facts.events.extend(events.iter().filter_map(|event| thin(event, subscription)));
                page = listed["next_page_url"].as_str().unwrap_or_default().trim_start_matches("/v2").to_owned();
            }
        }
        Ok(())
    }

    /// Picks out of all snapshot events those that speak of its subscriptions.
    fn is_told(&mut self, told: &[Value]) {
        let events = told.iter().filter_map(|event| life::event(event).or_else(|| of_invoice(event)));
        let is_ours = |event: &Event| self.facts.buyer.subscriptions.contains(&event.subscription);
        self.facts.events.extend(events.filter(is_ours));
    }
}

/// A thin event that the line's destination asks for.
fn thin(event: &Value, subscription: &str) -> Option<Event> {
    let asked = ["created", "updated", "deleted", "paused", "resumed", "item_quantity_changed"];
    let kind = event["type"].as_str()?.strip_prefix("v1.customer.subscription.")?;
    let twin_of = event["snapshot_event"].as_str().map(str::to_owned);
    let id = event["id"].as_str()?.to_owned();
    asked.contains(&kind).then(|| Event { id, subscription: subscription.to_owned(), twin_of })
}

/// A payment, or that it failed, may change a subscription's status.
fn of_invoice(event: &Value) -> Option<Event> {
    let asked = ["invoice.paid", "invoice.payment_succeeded", "invoice.payment_failed"];
    let subscription = event["data"]["object"]["parent"]["subscription_details"]["subscription"].as_str()?;
    asked.contains(&event["type"].as_str()?).then_some(())?;
    Some(Event { id: event["id"].as_str()?.to_owned(), subscription: subscription.to_owned(), twin_of: None })
}
