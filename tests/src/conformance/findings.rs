//! What did a case find?

use std::cell::RefCell;
use std::fmt::{Debug, Display, Formatter, Result};

/// One check that did not come out as it must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The name of the check, within its case.
    pub check: String,
    /// What was seen, and what should have been.
    pub detail: String,
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}: {}", self.check, self.detail)
    }
}

/// All that was found; a case goes on after a failure, because the next check may be about another thing.
#[derive(Default)]
pub(crate) struct Findings(RefCell<Vec<Failure>>);

impl Findings {
    pub(crate) fn add(&self, check: &str, detail: String) {
        let failure = Failure { check: check.to_string(), detail };
        let mut all = self.0.borrow_mut();
        if !all.contains(&failure) {
            all.push(failure);
        }
    }

    pub(crate) fn equal<A: Debug + PartialEq<B>, B: Debug>(&self, check: &str, seen: A, right: B) {
        if seen != right {
            self.add(check, format!("seen {seen:?}, must be {right:?}"));
        }
    }

    pub(crate) fn all(&self) -> Vec<Failure> {
        self.0.borrow().clone()
    }
}
