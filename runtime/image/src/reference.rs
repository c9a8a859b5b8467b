//! Which image does this name mean?
//!
//! `redis` is short for `docker.io/library/redis:latest`: a registry, a repository in it, and a tag.
//! The grammar and the defaults are those of Docker (`distribution/reference`), so a name means the
//! same image here as there. Three of its rules surprise: what stands before the first slash is a
//! registry if it has a dot, a colon or a capital letter, or is `localhost`; a name without a slash
//! is never a registry, so `localhost:5000` is the tag `5000` of `localhost`; and 64 hexadecimal
//! digits are no name, because they would look like an image's id.

use std::fmt::{self, Display};
use std::str::FromStr;

use crate::digest::{Digest, NotADigest};

/// The registry of names that say none.
pub const DOCKER_HUB: &str = "docker.io";
/// The tag of names that have neither tag nor digest.
pub const LATEST: &str = "latest";

const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;

/// The name of an image, with all that was left out filled in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text names no image: which part is wrong, and how it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAReference {
    /// There is nothing.
    #[error("the name of an image is empty: write one such as redis or example.org/team/app:1.2")]
    Empty,
    /// It would be taken for an image's id.
    #[error("{0:?} cannot be the name of an image: 64 hexadecimal digits are an image's id")]
    Id(String),
    /// The registry.
    #[error("{text:?}: the registry {registry:?} is no host name: {why}")]
    Registry {
        /// The whole text.
        text: String,
        /// The part of it.
        registry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The repository.
    #[error("{text:?}: the repository {repository:?} cannot have that name: {why}")]
    Repository {
        /// The whole text.
        text: String,
        /// The part of it.
        repository: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The tag.
    #[error("{text:?}: the tag {tag:?} cannot have that name: {why}")]
    Tag {
        /// The whole text.
        text: String,
        /// The part of it.
        tag: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The digest.
    #[error("{text:?}: what follows the @: {source}")]
    Digest {
        /// The whole text.
        text: String,
        /// What is wrong with it.
        source: NotADigest,
    },
}

impl Reference {
    /// The registry: a host name, with a port where one was given; `docker.io` where none was.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry: `library/redis`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag. Where there is a digest too, it is a remark: the digest decides.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that the image must have.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What a registry is asked for: the digest, or else the tag.
    pub fn wanted(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => LATEST.to_owned(),
        }
    }

    /// The same repository, of which `digest` is meant.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { digest: Some(digest), ..self.clone() }
    }

    /// As people write it: without what is filled in by itself.
    pub fn short(&self) -> String {
        let name = match self.registry.as_str() {
            DOCKER_HUB => match self.repository.strip_prefix("library/") {
                Some(official) if !official.contains('/') => official.to_owned(),
                _ if looks_like_a_host(self.repository.split('/').next().unwrap_or_default()) => {
                    format!("{DOCKER_HUB}/{}", self.repository)
                }
                _ => self.repository.clone(),
            },
            registry => format!("{registry}/{}", self.repository),
        };
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{name}{tag}{digest}")
    }
}

/// In full: nothing is left out that was filled in.
impl Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Reference, NotAReference> {
        if text.is_empty() {
            return Err(NotAReference::Empty);
        }
        if text.len() == 64 && text.bytes().all(is_hex) {
            return Err(NotAReference::Id(text.to_owned()));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (registry, rest) = registry_and_rest(name);
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        check_registry(text, registry)?;
        check_repository(text, repository)?;
        tag.map_or(Ok(()), |tag| check_tag(text, tag))?;
        let digest = digest.map(str::parse).transpose();
        let digest =
            digest.map_err(|source| NotAReference::Digest { text: text.to_owned(), source })?;
        Ok(filled_in(registry, repository, tag, digest))
    }
}

/// What stands before the first slash, if it looks like a host.
fn registry_and_rest(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest)) if looks_like_a_host(first) => (first, rest),
        _ => (DOCKER_HUB, name),
    }
}

/// A repository has no capitals, so what has some cannot be the beginning of one.
fn looks_like_a_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first
}

fn filled_in(
    registry: &str,
    repository: &str,
    tag: Option<&str>,
    digest: Option<Digest>,
) -> Reference {
    let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
    let official = registry == DOCKER_HUB && !repository.contains('/');
    let repository = if official { format!("library/{repository}") } else { repository.to_owned() };
    let tag = match (tag, &digest) {
        (None, None) => Some(LATEST.to_owned()),
        (tag, _) => tag.map(str::to_owned),
    };
    Reference { registry: registry.to_owned(), repository, tag, digest }
}

fn check_registry(text: &str, registry: &str) -> Result<(), NotAReference> {
    why_no_host(registry).map_or(Ok(()), |why| {
        Err(NotAReference::Registry { text: text.to_owned(), registry: registry.to_owned(), why })
    })
}

fn why_no_host(registry: &str) -> Option<&'static str> {
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, after)) => {
                let hex_or_colon = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
                if address.is_empty() || !address.bytes().all(hex_or_colon) {
                    return Some("between [ and ] an IPv6 address has to stand, as in [::1]:5000");
                }
                if !after.is_empty() && !after.starts_with(':') {
                    return Some("after ] only a port can follow, as in [::1]:5000");
                }
                (None, after.strip_prefix(':'))
            }
            None => return Some("the [ of the IPv6 address is never closed"),
        },
        None => match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        },
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit())) {
        return Some("after the colon a port has to follow, a number");
    }
    let labels = host?.split('.');
    labels.filter_map(why_no_label).next()
}

fn why_no_label(label: &str) -> Option<&'static str> {
    match label.as_bytes() {
        [] => Some("there is nothing before, after or between its dots"),
        [b'-', ..] | [.., b'-'] => Some("a part of a host name cannot begin or end with -"),
        bytes if bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') => None,
        _ => Some("a host name is made of letters, digits, - and ."),
    }
}

fn check_repository(text: &str, repository: &str) -> Result<(), NotAReference> {
    why_no_repository(repository).map_or(Ok(()), |why| {
        let repository = repository.to_owned();
        Err(NotAReference::Repository { text: text.to_owned(), repository, why })
    })
}

fn why_no_repository(repository: &str) -> Option<&'static str> {
    if repository.is_empty() {
        return Some("it is empty");
    }
    if repository.len() > LONGEST_REPOSITORY {
        return Some("it is longer than 255 characters");
    }
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some("it has to be in lower case");
    }
    repository.split('/').filter_map(why_no_component).next()
}

/// Letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn why_no_component(component: &str) -> Option<&'static str> {
    if component.is_empty() {
        return Some("there is nothing before, after or between its slashes");
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !component.bytes().all(|byte| plain(byte) || b"._-".contains(&byte)) {
        return Some("it is made of a-z, 0-9, and . _ - between them");
    }
    let mut between = component.split(|c: char| c.is_ascii_alphanumeric());
    let (first, last) = (component.as_bytes()[0], component.as_bytes()[component.len() - 1]);
    if !plain(first) || !plain(last) {
        return Some("each part of it begins and ends with a letter or a digit");
    }
    let separates =
        |run: &str| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|byte| byte == b'-');
    (!between.all(separates)).then_some(
        "between letters and digits only one . or _, two _, or any number of - can stand",
    )
}

fn check_tag(text: &str, tag: &str) -> Result<(), NotAReference> {
    why_no_tag(tag).map_or(Ok(()), |why| {
        Err(NotAReference::Tag { text: text.to_owned(), tag: tag.to_owned(), why })
    })
}

/// What is wrong with a tag; none when it can be one.
pub(crate) fn why_no_tag(tag: &str) -> Option<&'static str> {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    match tag.as_bytes() {
        [] => Some("there is nothing after the colon"),
        bytes if bytes.len() > LONGEST_TAG => Some("it is longer than 128 characters"),
        [first, ..] if !word(first) => Some("it begins with a letter, a digit or _"),
        bytes if bytes.iter().all(|byte| word(byte) || b".-".contains(byte)) => None,
        _ => Some("it is made of letters, digits, and . _ -"),
    }
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}
