//! Query parameters.

use std::{collections::BTreeMap, time::Duration};

use crate::failure::Failure;

/// The parameters of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options(BTreeMap<String, String>);

/// Which state a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// The present, which must not be older than the revision.
    NotOlderThan(u64),
    /// The state at the revision.
    Exact(u64),
}

impl Options {
    pub(crate) fn parse(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Empty where it is not given.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }

    /// 0 where it is not given.
    pub(crate) fn resource_version(&self) -> Result<u64, Failure> {
        let text = self.get("resourceVersion");
        if text.is_empty() {
            return Ok(0);
        }
        text.parse().map_err(|_| {
            let cause =
                format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: invalid syntax");
            Failure::bad_request(cause)
        })
    }

    pub(crate) fn at(&self) -> Result<At, Failure> {
        let version = self.resource_version()?;
        match self.get("resourceVersionMatch") {
            "Exact" if version > 0 => Ok(At::Exact(version)),
            "" | "NotOlderThan" => Ok(At::NotOlderThan(version)),
            other => Err(invalid(&format!("resourceVersionMatch: Unsupported value: {other:?}"))),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        self.get("limit").parse().ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX)
    }

    /// How long a watch lasts: as asked, else half an hour, the least of the real server's default.
    pub(crate) fn timeout(&self) -> Duration {
        let asked = self.get("timeoutSeconds").parse().ok().filter(|seconds| *seconds > 0);
        Duration::from_secs(asked.unwrap_or(1800))
    }

    /// Whether a watch begins with the present state, and with a bookmark at its end.
    pub(crate) fn initial_events(&self) -> Result<bool, Failure> {
        let asked = self.is("sendInitialEvents");
        if asked && self.get("resourceVersionMatch") != "NotOlderThan" {
            let cause = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(invalid(cause));
        }
        Ok(asked)
    }
}

fn invalid(cause: &str) -> Failure {
    Failure::invalid("ListOptions.meta.k8s.io", "", cause)
}
