//! What is wrong with a configuration, and what is only odd about it?
//!
//! A complaint is a reason not to run anything. A remark is something that the specification tells a
//! runtime to tolerate and that its author would want to know.

use std::cell::RefCell;
use std::fmt::{self, Display, Formatter};

use serde::Serialize;

/// One thing that is wrong: where, what, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Complaint {
    /// The place in the document: `linux.namespaces[2].path`; empty for the document as a whole.
    pub path: String,
    /// What is wrong with what stands there.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

/// Everything that is wrong, in the order in which it was met: never none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Complaints(Vec<Complaint>);

/// Something that is tolerated, and how it is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// The place in the document, as in a complaint.
    pub path: String,
    /// What is odd, and what becomes of it.
    pub what: String,
}

impl Complaints {
    /// All of them.
    pub fn all(&self) -> &[Complaint] {
        &self.0
    }

    /// The text is no JSON at all; nothing else can be said about it.
    pub(crate) fn of_syntax(error: &serde_json::Error) -> Complaints {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = error.to_string().replace(&place, "");
        let wrong = format!("no JSON: {what}, in line {}, column {}", error.line(), error.column());
        let right = "one JSON object, and nothing after it".to_string();
        Complaints(vec![Complaint { path: String::new(), wrong, right }])
    }
}

impl Display for Complaint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "config.json" } else { &self.path };
        write!(f, "{path}: {}; right would be {}", self.wrong, self.right)
    }
}

impl Display for Complaints {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, complaint) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{complaint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Complaints {}

impl Display for Remark {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// What has been noticed so far. All readers write into one, so that none of them has to stop.
#[derive(Default)]
pub(crate) struct Notes {
    complaints: RefCell<Vec<Complaint>>,
    remarks: RefCell<Vec<Remark>>,
}

impl Notes {
    /// What two readers of one value say alike is said once.
    pub(crate) fn complain(&self, complaint: Complaint) {
        let mut all = self.complaints.borrow_mut();
        if !all.contains(&complaint) {
            all.push(complaint);
        }
    }

    /// Likewise.
    pub(crate) fn remark(&self, remark: Remark) {
        let mut all = self.remarks.borrow_mut();
        if !all.contains(&remark) {
            all.push(remark);
        }
    }

    /// The value, if nobody complained, with all remarks.
    pub(crate) fn judge<T>(self, value: Option<T>) -> Result<(T, Vec<Remark>), Complaints> {
        match (value, self.complaints.into_inner()) {
            (Some(value), complaints) if complaints.is_empty() => {
                Ok((value, self.remarks.into_inner()))
            }
            (_, complaints) => Err(Complaints(complaints)),
        }
    }
}
