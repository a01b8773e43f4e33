//! What callers have seen.

use std::collections::BTreeMap;
use std::time::Duration;

/// The answers to all requests of a load.
#[derive(Default)]
pub struct Seen {
    /// How long each took, by status.
    pub answers: BTreeMap<u16, Vec<Duration>>,
    /// What came instead of an answer.
    pub failures: BTreeMap<String, u64>,
    /// `Retry-After` of each 503 that had one, in seconds.
    pub advice: Vec<u64>,
    /// How many came back when they had been told to, and how many of those were served then.
    pub came_back: u64,
    pub served_then: u64,
    /// From the first request to the last answer.
    pub took: Duration,
}

impl Seen {
    pub(super) fn add(&mut self, other: Self) {
        for (status, times) in other.answers {
            self.answers.entry(status).or_default().extend(times);
        }
        for (problem, count) in other.failures {
            *self.failures.entry(problem).or_default() += count;
        }
        self.advice.extend(other.advice);
        self.came_back += other.came_back;
        self.served_then += other.served_then;
    }

    /// How many answers had this status.
    pub fn count(&self, status: u16) -> usize {
        self.answers.get(&status).map_or(0, Vec::len)
    }

    /// How many had another one, or did not come.
    pub fn others(&self, status: u16) -> u64 {
        let failed: u64 = self.failures.values().sum();
        let answered: usize = self.answers.values().map(Vec::len).sum();
        failed + (answered - self.count(status)) as u64
    }

    /// Answers with this status a second.
    pub fn rate(&self, status: u16) -> f64 {
        self.count(status) as f64 / self.took.as_secs_f64()
    }

    /// What this share of the answers with this status took at most.
    pub fn time(&self, status: u16, share: f64) -> Duration {
        let mut times = self.answers.get(&status).cloned().unwrap_or_default();
        times.sort_unstable();
        let at = ((times.len() as f64 - 1.0) * share).round() as usize;
        times.get(at).copied().unwrap_or_default()
    }

    /// One line for those served, and one for each other status and failure.
    pub fn report(&self, what: &str) {
        let times = |status| {
            let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|share| ms(self.time(status, share)));
            format!("p50 {p50:.1} ms, p99 {p99:.1} ms, longest {longest:.1} ms")
        };
        println!("  {what}: {:.1}/s, {}", self.rate(200), times(200));
        for status in self.answers.keys().filter(|status| **status != 200) {
            println!("    {status}: {:.1}/s, {}", self.rate(*status), times(*status));
        }
        for (problem, count) in &self.failures {
            println!("    {count} times: {problem}");
        }
    }
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The one in the middle; 0 of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
