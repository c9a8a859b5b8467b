//! What came out of a check, and how is it said?

use std::fmt::{self, Display, Formatter};

/// One thing that an exercise asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Criterion {
    /// What must be so, as a sentence.
    pub(crate) what: String,
    /// What was found instead; none when it is so.
    pub(crate) instead: Option<String>,
}

/// What must be so; when `met` is false, `instead` says what was found, in a sentence that helps
/// and does not give the answer.
pub(crate) fn criterion(
    what: impl Into<String>,
    met: bool,
    instead: impl FnOnce() -> String,
) -> Criterion {
    Criterion { what: what.into(), instead: (!met).then(instead) }
}

impl Criterion {
    pub(crate) fn is_met(&self) -> bool {
        self.instead.is_none()
    }
}

/// What came out of a check.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The work was run and judged.
    Judged {
        criteria: Vec<Criterion>,
        /// What the program wrote to standard error, for whoever looks for a fault.
        said: String,
    },
    /// This machine has not what the check needs.
    Skipped(String),
}

impl Verdict {
    /// Whether everything is there that was asked for; none when it could not be found out.
    pub(crate) fn is_met(&self) -> Option<bool> {
        match self {
            Verdict::Judged { criteria, .. } => Some(criteria.iter().all(Criterion::is_met)),
            Verdict::Skipped(_) => None,
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (criteria, said) = match self {
            Verdict::Skipped(why) => return writeln!(f, "  skipped  {why}"),
            Verdict::Judged { criteria, said } => (criteria, said),
        };
        for Criterion { what, instead } in criteria {
            match instead {
                None => writeln!(f, "  ok       {what}")?,
                Some(instead) => writeln!(f, "  not yet  {what}\n           {instead}")?,
            }
        }
        if self.is_met() == Some(false) && !said.trim().is_empty() {
            writeln!(f, "Your program wrote to standard error:")?;
            for line in said.trim().lines().take(6) {
                writeln!(f, "  | {line}")?;
            }
        }
        Ok(())
    }
}

/// Whether a check that cannot be made here counts as failed: so it is on machines that should have
/// everything.
pub(crate) fn must_have_all() -> bool {
    std::env::var_os("PORTHOLE_REQUIRE_ALL").is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::{Verdict, criterion};

    #[test]
    fn a_verdict_is_met_when_every_criterion_is() {
        let so = criterion("the sun shines", true, || "it rains".into());
        let not = criterion("it is warm", false, || "it is cold".into());
        let judged = |criteria| Verdict::Judged { criteria, said: "brr".into() };
        assert_eq!(judged(vec![so.clone()]).is_met(), Some(true));
        let verdict = judged(vec![so, not]);
        assert_eq!(verdict.is_met(), Some(false));
        assert_eq!(
            verdict.to_string(),
            "  ok       the sun shines\n  not yet  it is warm\n           it is cold\n\
             Your program wrote to standard error:\n  | brr\n"
        );
        assert_eq!(Verdict::Skipped("no sun".into()).is_met(), None);
    }
}
