//! What is stored in histories: the names on the wire, and the way that a run takes. Neither
//! may change under a run that is under way.

mod histories;
mod import_customers_runs;
mod import_runs;
mod license_runs;
mod names;
mod reconcile_runs;
mod replay_batch_runs;
mod sync_runs;
mod under_way;
