//! Lists: newest first, with cursors (<https://docs.stripe.com/api/pagination>).

use serde_json::{Value, json};

use super::kind::Kind;
use super::{World, number};
use crate::error::{Answer, Refusal};
use crate::params::Params;

/// The parameters that every list takes.
pub(crate) const PAGE: &[&str] = &["limit", "starting_after", "ending_before", "expand[]"];
/// The filter by time of creation.
pub(crate) const CREATED: &[&str] = &["created", "created.gt", "created.gte", "created.lt", "created.lte"];

impl World {
    /// One page of the rows that `keep` lets through.
    pub(crate) fn page(&self, kind: Kind, params: &Params, keep: impl Fn(&Value) -> bool) -> Answer {
        let limit = limit(params)?;
        let created = Created::parse(params)?;
        let wanted = |row: &&Value| row["deleted"] != true && created.admits(number(row, "created")) && keep(row);
        let (mut found, is_backwards) = self.scan(kind, params, limit + 1, wanted)?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        if is_backwards {
            found.reverse();
        }
        let data: Vec<Value> = found.into_iter().map(|row| self.present(row)).collect();
        Ok(list(data, has_more, kind.url()))
    }

    fn scan<'w>(
        &'w self,
        kind: Kind,
        params: &Params,
        most: usize,
        wanted: impl Fn(&&Value) -> bool,
    ) -> Result<(Vec<&'w Value>, bool), Refusal> {
        let after = self.cursor(kind, params, "starting_after")?;
        let before = self.cursor(kind, params, "ending_before")?;
        let Some(table) = self.table(kind) else { return Ok((Vec::new(), false)) };
        Ok(match (after, before) {
            (Some(_), Some(_)) => return Err(both_cursors()),
            (Some(number), None) => (table.before(number).filter(wanted).take(most).collect(), false),
            (None, Some(number)) => (table.after(number).filter(wanted).take(most).collect(), true),
            (None, None) => (table.newest_first().filter(wanted).take(most).collect(), false),
        })
    }

    fn cursor(&self, kind: Kind, params: &Params, field: &str) -> Result<Option<u64>, Refusal> {
        let Some(id) = params.str(field) else { return Ok(None) };
        let number = self.table(kind).and_then(|table| table.number(id));
        number.map(Some).ok_or_else(|| Refusal::no_such_reference(kind.noun(), id, field))
    }
}

/// A list object around `data`.
pub(crate) fn list(data: Vec<Value>, has_more: bool, url: &str) -> Value {
    json!({"object": "list", "data": data, "has_more": has_more, "url": url})
}

/// How many a page may hold.
pub(crate) fn limit(params: &Params) -> Result<usize, Refusal> {
    match params.int("limit")? {
        None => Ok(10),
        Some(limit @ 1..=100) => Ok(usize::try_from(limit).unwrap_or(10)),
        Some(limit) if limit < 1 => Err(Refusal::invalid("limit", "This value must be greater than or equal to 1.")
            .coded("parameter_invalid_integer")),
        Some(_) => Err(Refusal::invalid("limit", "This value must be less than or equal to 100.")
            .coded("parameter_invalid_integer")),
    }
}

fn both_cursors() -> Refusal {
    Refusal::not_allowed("You can only use one of `starting_after` and `ending_before`.")
}

/// `created=5` or `created[gte]=5&created[lt]=9`.
struct Created {
    least: i64,
    most: i64,
}

impl Created {
    fn parse(params: &Params) -> Result<Self, Refusal> {
        if let Some(exact) = params.int("created")? {
            return Ok(Self { least: exact, most: exact });
        }
        let range = params.child("created");
        let least = range.int("gt")?.map_or(i64::MIN, |gt| gt + 1).max(range.int("gte")?.unwrap_or(i64::MIN));
        let most = range.int("lt")?.map_or(i64::MAX, |lt| lt - 1).min(range.int("lte")?.unwrap_or(i64::MAX));
        Ok(Self { least, most })
    }

    fn admits(&self, created: i64) -> bool {
        (self.least..=self.most).contains(&created)
    }
}
