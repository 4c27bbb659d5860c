//! Many objects at once: as the API makes them, without a request for each.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use stack::http;

use super::Double;

/// How many requests go in one body.
const AT_ONCE: usize = 1_000;

impl Double {
    /// `POST /v1{path}` of each form; answers the new objects' ids, in the forms' order. No events
    /// are made.
    pub fn make_many(&self, path: &str, forms: &[Vec<(&str, &str)>]) -> Result<Vec<String>> {
        let wanted = |form: &Vec<(&str, &str)>| ("POST", path.to_owned(), http::form(form));
        let requests: Vec<_> = forms.iter().map(wanted).collect();
        let made = self.batch(&requests, Some(&["id"]), true)?;
        made.iter().map(|one| one["id"].as_str().map(str::to_owned).context("an id")).collect()
    }

    /// Requests of method, path below `/v1` and form, each of which must succeed; answers these
    /// fields of each object, or all of it.
    pub fn batch(
        &self,
        requests: &[(&str, String, String)],
        fields: Option<&[&str]>,
        is_silent: bool,
    ) -> Result<Vec<Value>> {
        let mut objects = Vec::with_capacity(requests.len());
        for chunk in requests.chunks(AT_ONCE) {
            let wanted = |(method, path, form): &(&str, String, String)| json!({"method": method, "path": format!("/v1{path}"), "form": form});
            let requests: Vec<Value> = chunk.iter().map(wanted).collect();
            let order = json!({"requests": requests, "fields": fields, "silent": is_silent});
            let mut answers = self.admin("POST", "/batch", &order)?;
            for answer in answers["data"].as_array_mut().context("a list of answers")? {
                ensure!(answer["status"] == 200, "refused: {answer}");
                objects.push(answer["body"].take());
            }
        }
        Ok(objects)
    }
}
