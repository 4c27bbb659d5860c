//! What a life needs around it: a Stripe of its own, the one database, and the product over both.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Result;
use domain::license::LicenseRules;
use e2e::{Double, MASTER, SECRET_KEY};
use stack::{deadline, shared};
use store::{DatabaseConfig, Store};
use stripe_gateway::{Stripe, StripeConfig};
use tokio::runtime::Runtime;

use crate::books::Books;
use crate::product::Product;

/// Where the product's functions run. Tests block on it, as everything in this house does.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads"));

const PATIENCE: Duration = Duration::from_secs(60);

/// A seller: what is sold at Stripe, and the product that looks after it.
pub(crate) struct Shop {
    pub(crate) double: Double,
    pub(crate) prices: Prices,
    pub(crate) product: Product,
    /// The double ends with it. It runs in this process: five hundred are started in one test.
    _running: stripe_sim::Running,
}

/// What can be bought.
pub(crate) struct Prices {
    /// Their quantity is the licence count.
    pub(crate) licenses: Vec<String>,
    /// Sold beside a licence.
    pub(crate) support: String,
    /// Billed by reported usage.
    pub(crate) metered: String,
}

impl Prices {
    /// Puts them on sale.
    pub(crate) fn at(double: &Double) -> Result<Self> {
        let price = |interval, usage| {
            let product = [("product_data[name]", "Seats"), ("currency", "usd"), ("unit_amount", "1000")];
            let recurring = [("recurring[interval]", interval), ("recurring[usage_type]", usage)];
            double.make("/prices", &[product.as_slice(), &recurring].concat())
        };
        Ok(Self {
            licenses: vec![price("month", "licensed")?, price("year", "licensed")?],
            support: price("month", "licensed")?,
            metered: price("month", "metered")?,
        })
    }

    pub(crate) fn all(&self) -> Vec<&str> {
        let licenses = self.licenses.iter().map(String::as_str);
        licenses.chain([self.support.as_str(), self.metered.as_str()]).collect()
    }
}

impl Shop {
    /// Opens one, with or without `LICENSE_PRICE_IDS`.
    pub(crate) fn open(names_license_prices: bool) -> Result<Self> {
        let running = stripe_sim::start(stripe_sim::Config::default())?;
        let double = Double::at(running.base_url());
        let prices = Prices::at(&double)?;
        let listed = names_license_prices.then(|| prices.licenses.join(","));
        let rules = LicenseRules::from_env(|name| listed.clone().filter(|_| name == "LICENSE_PRICE_IDS"))?;
        let _inside = RUNTIME.enter();
        let product =
            Product { store: Store::new(&database_config()?, MASTER.parse()?, rules), stripe: stripe(&double)? };
        Ok(Self { double, prices, product, _running: running })
    }
}

pub(crate) fn stripe(double: &Double) -> Result<Stripe> {
    let settings = [("STRIPE_SECRET_KEY", SECRET_KEY.to_owned()), ("STRIPE_API_BASE", double.base())];
    let lookup = |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    Ok(Stripe::new(StripeConfig::from_env(lookup)?)?)
}

/// The URL of the one database of this process, migrated.
pub(crate) fn database() -> Result<String> {
    static URL: LazyLock<Result<String, String>> = LazyLock::new(|| make().map_err(|error| format!("{error:#}")));
    URL.clone().map_err(anyhow::Error::msg)
}

fn make() -> Result<String> {
    let url = shared::postgres()?.create_database("lives")?;
    RUNTIME.block_on(Store::migrate(&config(&url)?, MASTER.parse()?))?;
    Ok(url)
}

fn database_config() -> Result<DatabaseConfig> {
    config(&database()?)
}

fn config(url: &str) -> Result<DatabaseConfig> {
    let lookup = |name: &str| match name {
        "DATABASE_URL" => Some(url.to_owned()),
        "DATABASE_MAX_CONNECTIONS" => Some("6".to_owned()),
        _ => None,
    };
    // Nobody here tries again, as Temporal does with a step.
    Ok(DatabaseConfig::from_env(lookup)?.of_a_person())
}

/// Waits until that many sessions wait for a lock of `holder`'s, or behind one that does.
pub(crate) fn wait_for_lock_waiters(books: &mut Books, holder: &str, count: usize) -> Result<()> {
    let what = format!("{count} to wait for a lock");
    deadline::poll(&what, PATIENCE, || Ok((books.waiters_behind(holder)? >= count).then_some(())))
}
