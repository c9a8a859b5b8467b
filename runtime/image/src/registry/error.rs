//! What can go wrong with a registry, and what can be done about it?

use std::fmt::{self, Display};
use std::time::Duration;

use primitives::without_secrets;
use reqwest::StatusCode;
use serde::Deserialize;

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a registry did not give what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A request was refused, by the kernel or by the window.
    #[error("{0}")]
    Request(#[from] primitives::Error),
    /// Nobody answered, or not in a way that makes sense.
    #[error("{refusal}: {said}")]
    Network {
        /// The exchange, and the errno that comes nearest.
        refusal: primitives::Error,
        /// What the library says of it.
        said: String,
    },
    /// The registry answers that it will not.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// It answers with something else than was asked for. To ask again would not help.
    #[error("{asked}: {what}")]
    Wrong {
        /// What was asked.
        asked: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// What was asked for makes no sense, or something on this machine is not as it must be.
    #[error("{0}")]
    Unusable(String),
}

/// An answer that says no.
#[derive(Debug)]
pub struct Refusal {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) status: StatusCode,
    pub(crate) said: Vec<Said>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) hint: Option<String>,
}

/// One of the errors that a registry lists in the body of its answer.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Said {
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
}

impl Error {
    /// Something else than was asked for came back.
    pub(crate) fn wrong(asked: impl Into<String>, what: impl Into<String>) -> Error {
        Error::Wrong { asked: asked.into(), what: what.into() }
    }

    /// The status of the answer, if there was one that says no.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Refused(refusal) => Some(refusal.status.as_u16()),
            _ => None,
        }
    }

    /// Whether there is no such thing in the registry.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether the same may succeed a moment later.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Error::Request(error) | Error::Network { refusal: error, .. } => {
                primitives::may_pass(error)
            }
            Error::Refused(refusal) => {
                matches!(refusal.status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
            }
            Error::Wrong { .. } | Error::Unusable(_) => false,
        }
    }

    /// How long the registry wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }
}

/// At the edge to the command line, where a message is all that is needed.
impl From<Error> for primitives::Error {
    fn from(error: Error) -> primitives::Error {
        match error {
            Error::Request(error) => error,
            other => primitives::Error::Unusable(other.to_string()),
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: the registry says {}", self.method, self.url, self.status)?;
        for said in self.said.iter().take(3) {
            let words = [said.code.as_str(), said.message.as_str()];
            let words: Vec<&str> = words.into_iter().filter(|text| !text.is_empty()).collect();
            write!(f, ": {}", tame(&words.join(": ")))?;
        }
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// What a server has said, on one line and not too long: it may be anybody's.
pub(crate) fn tame(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut out: String = trace::escape(text.trim()).chars().take(LONGEST).collect();
    if text.trim().chars().count() > LONGEST {
        out.push('…');
    }
    out
}

/// How an exchange is called in messages.
pub(crate) fn asked(method: &str, url: &str) -> String {
    format!("{method} {}", without_secrets(url))
}

/// The errors that stand in the body of an answer; what is no JSON is taken as one message.
pub(crate) fn said_in(body: &[u8]) -> Vec<Said> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        errors: Vec<Said>,
        #[serde(default)]
        details: String,
    }
    match serde_json::from_slice::<Body>(body) {
        Ok(Body { errors, details }) if errors.is_empty() && !details.is_empty() => {
            vec![Said { code: String::new(), message: details }]
        }
        Ok(body) => body.errors,
        // A page for a browser says nothing in a terminal.
        Err(_) if body.first() == Some(&b'<') || body.is_empty() => Vec::new(),
        Err(_) => {
            let message = String::from_utf8_lossy(&body[..body.len().min(1024)]).into_owned();
            vec![Said { code: String::new(), message }]
        }
    }
}
