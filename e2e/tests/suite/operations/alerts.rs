//! The page's alerts: its Prometheus rules, evaluated over what the programs really expose.
//!
//! The rules keep to a few shapes, so that a small reader is enough: a sum or a maximum, or neither,
//! of a metric, of its increase, or of its difference to ten minutes ago, compared with a number.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::{Shim, World};
use stack::deadline;
use stack::http::Response;

use super::page::{fenced, section_of};

/// Where they stand.
pub(crate) const HEADING: &str = "Alerts";

/// A rule.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) expr: String,
}

/// What the programs of a world expose at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrape(Vec<Sample>);

#[derive(Clone, Debug)]
struct Sample {
    metric: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Every rule of the page.
pub(crate) fn alerts() -> Result<Vec<Alert>> {
    let section = section_of(HEADING)?;
    let rules = fenced(&section.text, "yaml").concat();
    let mut alerts = Vec::new();
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap_or_default().trim().to_owned();
        let expr = rule.lines().find_map(|line| line.trim().strip_prefix("expr: "));
        alerts.push(Alert { expr: expr.with_context(|| format!("{name} has no expr"))?.to_owned(), name });
    }
    Ok(alerts)
}

/// The rule of that name.
pub(crate) fn alert(name: &str) -> Result<Alert> {
    let found = alerts()?.into_iter().find(|alert| alert.name == name);
    found.with_context(|| format!("the page has no alert {name}"))
}

/// Waits until it fires, as Prometheus sees it: between any two of the times that it looks. It must
/// not fire at rest.
pub(crate) fn wait_until_it_fires(name: &str, rest: Scrape, world: &World, shim: Option<&Shim>) -> Result<()> {
    let alert = alert(name)?;
    ensure!(!alert.fires(&rest, &rest)?, "{name} fires at rest");
    let mut seen = vec![rest];
    let (limit, pause) = (Duration::from_secs(60), Duration::from_millis(250));
    deadline::poll_every(&format!("{name} to fire"), limit, pause, || {
        let now = Scrape::of(world, shim)?;
        for before in &seen {
            if alert.fires(before, &now)? {
                return Ok(Some(()));
            }
        }
        seen.push(now);
        Ok(None)
    })
}

impl Scrape {
    /// Reads the worker's page and the shim's, as far as they are there.
    pub(crate) fn of(world: &World, shim: Option<&Shim>) -> Result<Self> {
        let mut samples = job("tenantry-worker", world.admin("/metrics").ok())?;
        if let Some(shim) = shim {
            samples.extend(job("tenantry-webhook", shim.admin("/metrics").ok())?);
        }
        Ok(Self(samples))
    }

    /// The samples that a selector such as `name{label="value",other=~"a|b"}` chooses.
    fn chosen(&self, selector: &str) -> Result<Vec<&Sample>> {
        let (metric, labels) = match selector.split_once('{') {
            Some((metric, rest)) => (metric, rest.strip_suffix('}').with_context(|| selector.to_owned())?),
            None => (selector, ""),
        };
        let wanted = labels.split(',').filter(|label| !label.is_empty()).map(matcher).collect::<Result<Vec<_>>>()?;
        let fits = |sample: &&Sample| {
            let has = |(label, values): &(String, Vec<String>)| {
                values.iter().any(|value| sample.labels.get(label).is_some_and(|found| found == value))
            };
            sample.metric == metric && wanted.iter().all(has)
        };
        Ok(self.0.iter().filter(fits).collect())
    }
}

/// What Prometheus makes of one page: its samples, each with the job's name, and whether it was there.
fn job(name: &str, answer: Option<Response>) -> Result<Vec<Sample>> {
    let page = answer.filter(|answer| answer.status == 200).map(|answer| answer.body);
    let mut samples = read(page.as_deref().unwrap_or_default())?;
    let up = Sample { metric: "up".to_owned(), labels: BTreeMap::new(), value: f64::from(u8::from(page.is_some())) };
    samples.push(up);
    samples.iter_mut().for_each(|sample| drop(sample.labels.insert("job".to_owned(), name.to_owned())));
    Ok(samples)
}

fn matcher(label: &str) -> Result<(String, Vec<String>)> {
    let (name, value) = label.split_once('=').with_context(|| label.to_owned())?;
    let values = value.trim_start_matches('~').trim_matches('"').split('|').map(str::to_owned).collect();
    Ok((name.trim().to_owned(), values))
}

fn read(page: &str) -> Result<Vec<Sample>> {
    page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(sample).collect()
}

fn sample(line: &str) -> Result<Sample> {
    let (series, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
    let (metric, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once("=\""));
    let labels = labels.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned())).collect();
    Ok(Sample { metric: metric.to_owned(), labels, value: value.parse().with_context(|| line.to_owned())? })
}

impl Alert {
    /// Whether it fires, where the programs exposed `before` at the beginning of its window.
    pub(crate) fn fires(&self, before: &Scrape, now: &Scrape) -> Result<bool> {
        let (value, bound, is_below) = self.sides()?;
        let values = values(value, before, now).with_context(|| self.expr.clone())?;
        Ok(values.into_iter().any(|value| if is_below { value < bound } else { value > bound }))
    }

    /// Whether a program exposes what it asks for.
    pub(crate) fn is_exposed(&self, scrape: &Scrape) -> Result<bool> {
        Ok(!scrape.chosen(selector(self.sides()?.0))?.is_empty())
    }

    fn sides(&self) -> Result<(&str, f64, bool)> {
        for (sign, is_below) in [(" > ", false), (" < ", true)] {
            if let Some((value, bound)) = self.expr.rsplit_once(sign) {
                return Ok((value, bound.parse().with_context(|| self.expr.clone())?, is_below));
            }
        }
        bail!("{} compares nothing: {}", self.name, self.expr)
    }
}

/// The metric in the middle of all that is done to it.
fn selector(value: &str) -> &str {
    let inner = value.rsplit_once(" - (").map_or(value, |(now, _)| now);
    let inner = inner.rsplit('(').next().unwrap_or(inner);
    inner.split(['[', ')']).next().unwrap_or(inner)
}

fn values(value: &str, before: &Scrape, now: &Scrape) -> Result<Vec<f64>> {
    let selector = selector(value);
    let now_there = now.chosen(selector)?;
    let of = |samples: &[&Sample]| samples.iter().map(|sample| sample.value).collect::<Vec<_>>();
    let then_there = before.chosen(selector)?;
    if value == format!("sum({selector}) - (sum({selector} offset 10m) or vector(0))") {
        return Ok(vec![of(&now_there).iter().sum::<f64>() - of(&then_there).iter().sum::<f64>()]);
    }
    let each: Vec<f64> = match value.contains("increase(") {
        true => now_there.iter().filter_map(|sample| sample.increase(&then_there)).collect(),
        false => of(&now_there),
    };
    ensure!(!value.contains("offset"), "a shape that is not known: {value}");
    Ok(match value.split_once('(') {
        Some(("sum", _)) => vec![each.iter().sum()],
        Some(("max", _)) => each.into_iter().reduce(f64::max).into_iter().collect(),
        Some(("increase", _)) | None => each,
        Some(_) => bail!("a shape that is not known: {value}"),
    })
}

impl Sample {
    /// Like Prometheus', none for a series that was not there at the beginning.
    fn increase(&self, before: &[&Self]) -> Option<f64> {
        before.iter().find(|then| then.labels == self.labels).map(|then| self.value - then.value)
    }
}

#[test]
fn a_rule_fires_when_what_it_says_is_so() -> Result<()> {
    let scrape = |page: &str| read(page).map(Scrape);
    let before = scrape("# HELP a b\na_total{kind=\"x\",step=\"s, t\"} 1\nbytes 5\n")?;
    let now = scrape("a_total{kind=\"x\",step=\"s, t\"} 3\na_total{kind=\"y\"} 9\nbytes 700\n")?;
    let check = |expr: &str, expected: bool| -> Result<()> {
        let alert = Alert { name: "A".to_owned(), expr: expr.to_owned() };
        ensure!(alert.fires(&before, &now)? == expected, "{expr}");
        ensure!(!alert.fires(&now, &now)? || expr.starts_with("bytes") || expr.starts_with("max"), "{expr} at rest");
        ensure!(alert.is_exposed(&now)?, "{expr} asks for something else");
        Ok(())
    };
    check("increase(a_total{kind=\"x\"}[5m]) > 1", true)?;
    check("increase(a_total{kind=\"x\"}[5m]) > 2", false)?;
    check("sum(increase(a_total{kind=~\"x|y\"}[5m])) > 2", false)?;
    check("sum(a_total) - (sum(a_total offset 10m) or vector(0)) > 10", true)?;
    check("bytes > 6e2", true)?;
    check("max(bytes) < 700", false)
}
