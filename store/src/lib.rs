//! All SQL, and the schema's migrations.
//!
//! One query has one home here. Whatever must hold together is one transaction, and every
//! transaction takes its locks in the same order: the customer, the tenant's row, then
//! products and prices by id, then
//! events by id. What it leaves out: what to do with an answer (`activities`),
//! and every rule (`domain`).

mod account;
mod config;
mod cursors;
mod customers;
mod drift;
mod drift_counts;
mod drift_rows;
mod error;
mod event_views;
mod events;
mod findings;
mod import_follow_ups;
mod import_judge;
mod import_progress;
mod import_subscription;
mod import_views;
mod import_write;
mod inbox;
mod license_count;
mod license_requests;
mod license_story;
mod license_views;
mod pruning;
mod relay;
mod repair;
mod replay;
mod schema;
mod show;
mod subscriptions;
mod sync;
mod tenants;
mod walk;

pub use account::AccountRow;
pub use config::{ConfigError, DatabaseConfig};
pub use cursors::EventsCursor;
pub use error::Error;
pub use event_views::{EventChange, EventFilter, EventRow, EventView, OldestEvent, Twin, TypeAccount};
pub use findings::FindingView;
pub use import_subscription::Standing;
pub use import_views::OutcomeView;
pub use inbox::NewEvent;
pub use license_story::{LicenseStory, StoryChange, ToldEvent};
pub use license_views::{LicenseHistoryRow, LicenseView, PriceView};
pub use relay::{Depth, DueEvent, StrandedPurchase};
pub use repair::Repairable;
pub use replay::Reopened;
pub use schema::{MIGRATIONS, SchemaState};
pub use show::{LicenseChangeView, SubscriptionView, TenantView, Whose};
pub use subscriptions::{Import, Ticket};
pub use sync::{Parking, Sync, Synced};
pub use walk::{WalkPlace, WalkedTenant};

use std::collections::BTreeSet;

use domain::ids::TenantId;
use domain::license::LicenseRules;
use sqlx::PgPool;

/// The database, as all of it is used: through the functions of this crate.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    /// The tenant that owns the Stripe account, its catalogue and its events.
    master: TenantId,
    rules: LicenseRules,
}

impl Store {
    /// A store over `config`'s database. Connects when first used, so that it can be made
    /// while Postgres is away.
    pub fn new(config: &DatabaseConfig, master: TenantId, rules: LicenseRules) -> Self {
        Self { pool: config.pool(), master, rules }
    }

    /// A store for the inbox: its caller is waited for, so connections are kept ready. It derives
    /// no count, so it takes the default rules, which nobody asks it.
    pub fn of_the_inbox(config: &DatabaseConfig, master: TenantId) -> Self {
        let rules = LicenseRules { live: LicenseRules::LIVE_BY_DEFAULT.into(), prices: BTreeSet::new() };
        Self { pool: config.ready_pool(), master, rules }
    }

    /// How licences are read out of subscriptions.
    pub fn rules(&self) -> &LicenseRules {
        &self.rules
    }

    /// The tenant that owns the Stripe account, as the settings have it.
    pub fn master(&self) -> TenantId {
        self.master
    }

    /// Answers when Postgres does.
    pub async fn ping(&self) -> Result<(), Error> {
        sqlx::query!("SELECT 1 AS one").fetch_one(&self.pool).await?;
        Ok(())
    }
}
