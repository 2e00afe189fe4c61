//! What a job has found so far, for people: counts by name, and a few samples of what should not be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Job;

/// Samples of one name at most.
const MOST_SAMPLES: usize = 20;

/// As it is kept in `jobs.found`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Found {
    counts: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    samples: BTreeMap<String, Vec<String>>,
}

impl Found {
    /// What earlier steps have found.
    pub(super) fn of(job: &Job) -> Found {
        serde_json::from_value(job.found.clone()).unwrap_or_default()
    }

    pub(super) fn count(&mut self, name: &str, more: usize) {
        if more > 0 {
            *self.counts.entry(name.to_owned()).or_default() += more as u64;
        }
    }

    /// Counts one, and keeps it as a sample where there are few.
    pub(super) fn note(&mut self, name: &str, sample: impl ToString) {
        self.count(name, 1);
        let samples = self.samples.entry(name.to_owned()).or_default();
        if samples.len() < MOST_SAMPLES {
            samples.push(sample.to_string());
        }
    }

    pub(super) fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("counts and samples have string keys")
    }

    /// Of one name.
    pub(super) fn of_name(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// Of all names.
    pub(super) fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}
