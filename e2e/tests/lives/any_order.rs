//! Hundreds of lives, each of them another: whatever happens to the events, the end is right.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::books::Books;
use crate::chance::Chance;
use crate::check;
use crate::life::{Birth, Life};
use crate::shop::{RUNTIME, Shop};

/// How many lives; `TENANTRY_LIVES` changes it.
const LIVES: usize = 500;
/// Lives that are lived beside each other in the one database.
const BESIDE: usize = 6;

/// A tenant whose life is over, and what its rows were then.
type Fingerprint = (String, String);

#[test]
fn any_order_of_any_life_ends_as_stripe_says() -> Result<()> {
    let seeds = seeds()?;
    let (next, over) = (AtomicUsize::new(0), Mutex::new(Vec::<Fingerprint>::new()));
    let live = || -> Result<()> {
        let mut books = Books::open()?;
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let lived = one(*seed, &mut books);
            let lived = lived.with_context(|| format!("TENANTRY_LIVES_SEED={seed} repeats this life"));
            let lived = lived.inspect_err(|_| next.store(seeds.len(), Ordering::Relaxed))?;
            over.lock().expect("nobody panics").extend(lived);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let beside: Vec<_> = (0..BESIDE).map(|_| scope.spawn(live)).collect();
        beside.into_iter().try_for_each(|one| one.join().expect("it does not panic"))
    })?;
    let mut books = Books::open()?;
    for (tenant, then) in over.into_inner()? {
        ensure!(books.fingerprint(&tenant)? == then, "{tenant} was touched by another life");
    }
    Ok(())
}

/// `TENANTRY_LIVES_SEED` repeats one life.
fn seeds() -> Result<Vec<u64>> {
    if let Ok(seed) = std::env::var("TENANTRY_LIVES_SEED") {
        return Ok(vec![seed.parse().context("TENANTRY_LIVES_SEED")?]);
    }
    let lives = std::env::var("TENANTRY_LIVES").map_or(Ok(LIVES), |lives| lives.parse()).context("TENANTRY_LIVES")?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let mut chance = Chance::of(u64::try_from(now.as_nanos() % u128::from(u64::MAX))?);
    Ok((0..lives).map(|_| chance.draw()).collect())
}

/// A life and, beside it, a tenant that has nothing to do with it.
fn one(seed: u64, books: &mut Books) -> Result<Vec<Fingerprint>> {
    let mut chance = Chance::of(seed);
    let names_license_prices = chance.percent(50);
    let shop = Shop::open(names_license_prices)?;
    let bystander = books.value("SELECT gen_random_uuid()")?;
    let customer = shop.double.customer("bob@example.com")?;
    RUNTIME.block_on(shop.product.create_tenant(&bystander, Some(&customer), true))?;
    let untouched = books.fingerprint(&bystander)?;
    let mut life = Life::begin(&shop, books, chance)?;
    let license_prices = if names_license_prices { shop.prices.licenses.clone() } else { Vec::new() };
    let lived = life.live(&bystander).and_then(|()| check::life(&mut life, &license_prices));
    lived.with_context(|| format!("the story:\n  {}", life.story.join("\n  ")))?;
    let (tenant, is_born) = (life.tenant.clone(), life.birth != Birth::Never);
    let mut over = vec![(bystander, untouched)];
    if is_born {
        over.push((tenant.clone(), books.fingerprint(&tenant)?));
    }
    Ok(over)
}
