//! A customer, its tenant and its events, for one rule at a time.

use anyhow::{Result, ensure};

use crate::books::Books;
use crate::life::new_events;
use crate::product::{Batch, Ended, Read};
use crate::shop::{RUNTIME, Shop};

/// Where a rule is tried.
pub(crate) struct Desk {
    pub(crate) shop: Shop,
    pub(crate) books: Books,
    pub(crate) customer: String,
    pub(crate) tenant: String,
    looked_at: Option<String>,
}

impl Desk {
    /// A customer whose tenant is to be made.
    pub(crate) fn open(names_license_prices: bool) -> Result<Self> {
        let (shop, mut books) = (Shop::open(names_license_prices)?, Books::open()?);
        let customer = shop.double.customer("ann@example.com")?;
        let tenant = books.value("SELECT gen_random_uuid()")?;
        Ok(Self { shop, books, customer, tenant, looked_at: None })
    }

    /// A customer with its tenant, whose count is 0, or unlimited.
    pub(crate) fn with_tenant(count_follows: bool) -> Result<Self> {
        let desk = Self::open(false)?;
        RUNTIME.block_on(desk.shop.product.create_tenant(&desk.tenant, Some(&desk.customer), count_follows))?;
        Ok(desk)
    }

    /// Another tenant, with a customer of its own.
    pub(crate) fn another_tenant(&mut self) -> Result<String> {
        let tenant = self.books.value("SELECT gen_random_uuid()")?;
        let customer = self.shop.double.customer("bob@example.com")?;
        RUNTIME.block_on(self.shop.product.create_tenant(&tenant, Some(&customer), true))?;
        Ok(tenant)
    }

    /// A subscription with that many seats.
    pub(crate) fn subscribe(&self, quantity: i64, more: &[(&str, &str)]) -> Result<String> {
        let (price, quantity) = (&self.shop.prices.licenses[0], quantity.to_string());
        let form = [("customer", &*self.customer), ("items[0][price]", price), ("items[0][quantity]", &quantity)];
        self.shop.double.make("/subscriptions", &[form.as_slice(), more].concat())
    }

    pub(crate) fn cancel(&self, subscription: &str) -> Result<()> {
        self.shop.double.delete(&format!("/subscriptions/{subscription}")).map(drop)
    }

    /// Takes in what was told since the last time, and answers what of it is about the subscription.
    pub(crate) fn told(&mut self, subscription: &str) -> Result<Batch> {
        let events = new_events(&self.shop, &mut self.looked_at)?;
        for event in &events {
            self.shop.product.take_in(&event.id, &event.subscription, None)?;
        }
        let of_it = events.into_iter().filter(|event| event.subscription == subscription);
        let ids: Vec<String> = of_it.map(|event| event.id).collect();
        ensure!(!ids.is_empty(), "nothing was told of {subscription}");
        Ok(Batch::new(subscription, &ids))
    }

    pub(crate) fn handle(&self, batch: &Batch) -> Result<Ended> {
        RUNTIME.block_on(self.shop.product.handle(batch))
    }

    /// Takes in what was told of the subscription and handles it.
    pub(crate) fn sync(&mut self, subscription: &str) -> Result<Ended> {
        let batch = self.told(subscription)?;
        self.handle(&batch)
    }

    pub(crate) fn read(&self, batch: &Batch) -> Result<Read> {
        RUNTIME.block_on(self.shop.product.read(batch))
    }

    pub(crate) fn write(&self, read: &Read) -> Result<Option<Ended>> {
        RUNTIME.block_on(self.shop.product.write(read))
    }

    pub(crate) fn count(&mut self) -> Result<String> {
        self.books.count(&self.tenant)
    }

    /// Quantity and status in the rows.
    pub(crate) fn row(&mut self, subscription: &str) -> Result<Option<(String, String)>> {
        let row = self.books.subscriptions(&[subscription.to_owned()])?.pop();
        Ok(row.map(|row| (row[4].clone(), row[3].clone())))
    }

    /// The status of each event of the batch.
    pub(crate) fn statuses(&mut self, batch: &Batch) -> Result<Vec<String>> {
        let rows = self.books.events(std::slice::from_ref(&batch.subscription))?;
        let status = |id: &String| rows.iter().find(|row| row[0] == *id).map_or("not there", |row| &row[2]).to_owned();
        Ok(batch.events.iter().map(status).collect())
    }
}

/// The row of an active subscription with that many seats.
pub(crate) fn active(quantity: i64) -> Option<(String, String)> {
    Some((quantity.to_string(), "active".to_owned()))
}

pub(crate) fn is_written(ended: Ended) -> bool {
    matches!(ended, Ended::Written(..))
}
