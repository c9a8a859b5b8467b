//! Is what a case found what must be found?

use super::differences::{Difference, known};
use super::{Bench, Case, Failure, host};
use crate::conformance::runtimes::Runtime;
use crate::places::Place;

/// What came out of a case with one runtime in one place.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Failures that nobody has argued for.
    pub unexpected: Vec<Failure>,
    /// Failures that are listed, each with its entry.
    pub listed: Vec<(Failure, &'static Difference)>,
    /// Entries of the list that were not seen.
    pub stale: Vec<&'static Difference>,
}

/// Tries a case.
pub fn judge(case: &Case, runtime: Runtime, place: Place) -> Verdict {
    let failures = match Bench::new(runtime, place) {
        Ok(bench) => {
            let result = (case.check)(&bench);
            bench.end(result)
        }
        Err(error) => vec![Failure { check: "bench".to_string(), detail: format!("{error:#}") }],
    };
    let entries = known(runtime.name, host(place), case.name);
    let mut verdict = Verdict { unexpected: Vec::new(), listed: Vec::new(), stale: Vec::new() };
    for failure in &failures {
        match entries.iter().find(|entry| entry.covers(&failure.check)) {
            Some(entry) => verdict.listed.push((failure.clone(), entry)),
            None => verdict.unexpected.push(failure.clone()),
        }
    }
    let seen = |entry: &&Difference| failures.iter().any(|failure| entry.covers(&failure.check));
    verdict.stale = entries.into_iter().filter(|entry| entry.always && !seen(entry)).collect();
    verdict
}

impl Verdict {
    /// What has to be mended, as text; none when everything is as it must be or listed.
    pub fn complaint(&self) -> Option<String> {
        let mut lines: Vec<String> =
            self.unexpected.iter().map(|failure| format!("  {failure}")).collect();
        for entry in &self.stale {
            let Difference { check, why, .. } = entry;
            lines.push(format!("  listed as different, but is not: {check} ({why})"));
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}
