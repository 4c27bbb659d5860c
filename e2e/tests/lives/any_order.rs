//! Hundreds of lives, each of them another: whatever happens to the events, the end is right.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::books::Books;
use crate::chance::Chance;
use crate::check;
use crate::facts::Birth;
use crate::life::Life;
use crate::shop::{RUNTIME, Shop};

/// How many lives; `TENANTRY_LIVES` changes it.
const LIVES: usize = 500;
/// Lives that are lived beside each other in the one database.
const BESIDE: usize = 6;

/// What so many lives must have come to among them; else they try less than they seem to. What
/// fewer than one in fifty comes to is not asked for.
const ENDS: [&str; 16] = [
    "active",
    "canceled",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "trialing",
    "a change that waits",
    "an add-on",
    "an end with the period",
    "no licence item",
    "no limit",
    "completed",
    "superseded",
    "parked",
    "failed: AmbiguousSubscription",
    "failed: ConflictError",
];

/// A tenant whose life is over, and what its rows were then.
type Fingerprint = (String, String);

/// All lives that are over.
#[derive(Default)]
struct Over {
    fingerprints: Vec<Fingerprint>,
    /// How many of them came to what.
    came_to: BTreeMap<String, usize>,
}

#[test]
fn any_order_of_any_life_ends_as_stripe_says() -> Result<()> {
    let seeds = seeds()?;
    let (next, over) = (AtomicUsize::new(0), Mutex::new(Over::default()));
    let live = || -> Result<()> {
        let mut books = Books::open()?;
        let places = [Place::open(false, &mut books)?, Place::open(true, &mut books)?];
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut chance = Chance::of(*seed);
            let lived = places[chance.below(2)].live(chance, &mut books);
            let lived = lived.with_context(|| format!("TENANTRY_LIVES_SEED={seed} repeats this life"));
            let lived = lived.inspect_err(|_| next.store(seeds.len(), Ordering::Relaxed))?;
            let mut over = over.lock().expect("nobody panics");
            over.fingerprints.extend(lived.fingerprints);
            for (end, lives) in lived.came_to {
                *over.came_to.entry(end).or_default() += lives;
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let beside: Vec<_> = (0..BESIDE).map(|_| scope.spawn(live)).collect();
        beside.into_iter().try_for_each(|one| one.join().expect("it does not panic"))
    })?;
    let (mut books, over) = (Books::open()?, over.into_inner()?);
    for (tenant, then) in over.fingerprints {
        ensure!(books.fingerprint(&tenant)? == then, "{tenant} was touched by another life");
    }
    let accounted = "SELECT (SELECT sum(received) FROM stripe_webhook_receipts) - count(*) FROM stripe_webhook_events";
    ensure!(books.value(accounted)? == "0", "an event that was taken in is gone");
    eprintln!("{} lives came to {:?}", seeds.len(), over.came_to);
    let missed: Vec<_> = ENDS.into_iter().filter(|end| !over.came_to.contains_key(*end)).collect();
    ensure!(seeds.len() < LIVES || missed.is_empty(), "no life came to {missed:?}");
    Ok(())
}

/// `TENANTRY_LIVES_SEED` repeats one life.
fn seeds() -> Result<Vec<u64>> {
    if let Ok(seed) = std::env::var("TENANTRY_LIVES_SEED") {
        return Ok(vec![seed.parse().context("TENANTRY_LIVES_SEED")?]);
    }
    let lives = std::env::var("TENANTRY_LIVES").map_or(Ok(LIVES), |lives| lives.parse()).context("TENANTRY_LIVES")?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let first = u64::try_from(now.as_nanos() % u128::from(u64::MAX))?;
    // Past the capture of the test's output: the seeds of a run that passed are said too.
    writeln!(std::io::stderr(), "{lives} lives, whose seeds are drawn from {first}")?;
    let mut chance = Chance::of(first);
    Ok((0..lives).map(|_| chance.draw()).collect())
}

/// One place with `LICENSE_PRICE_IDS` and one without, for one life after the other.
struct Place {
    shop: Shop,
    license_prices: Vec<String>,
    /// A tenant that has nothing to do with any of the lives.
    bystander: String,
}

impl Place {
    fn open(names_license_prices: bool, books: &mut Books) -> Result<Self> {
        let shop = Shop::open(names_license_prices)?;
        let license_prices = if names_license_prices { shop.prices.licenses.clone() } else { Vec::new() };
        let bystander = books.value("SELECT gen_random_uuid()")?;
        let customer = shop.double.customer("bob@example.com")?;
        RUNTIME.block_on(shop.product.create_tenant(&bystander, Some(&customer), true))?;
        Ok(Self { shop, license_prices, bystander })
    }

    fn live(&self, chance: Chance, books: &mut Books) -> Result<Over> {
        let untouched = books.fingerprint(&self.bystander)?;
        let mut life = Life::begin(&self.shop, books, chance)?;
        let lived =
            life.live(&self.bystander).and_then(|()| check::life(life.books, &life.facts, &self.license_prices));
        lived.with_context(|| format!("the story:\n  {}", life.story.join("\n  ")))?;
        let (tenant, is_born) = (life.facts.tenant.clone(), life.facts.birth != Birth::Never);
        let came_to = check::came_to(life.books, &life.facts)?.into_iter().map(|end| (end, 1)).collect();
        life.facts.buyer.leave()?;
        let mut fingerprints = vec![(self.bystander.clone(), untouched)];
        if is_born {
            fingerprints.push((tenant.clone(), books.fingerprint(&tenant)?));
        }
        Ok(Over { fingerprints, came_to })
    }
}
