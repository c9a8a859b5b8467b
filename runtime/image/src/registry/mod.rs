//! How is a registry asked, and what if it does not answer well?
//!
//! What is said is the distribution specification, version 1.1, and what Docker's registry has besides.
//! Nothing that a registry answers is believed before it was computed here: a document and a blob
//! must have the digest and the size that they were asked for by.
//!
//! | room | question it answers |
//! |---|---|
//! | [`hosts`] | where is it, and is it trusted? |
//! | [`credentials`] | who are we to it? |
//! | `auth`, `challenge` | how does it come to believe that? |
//! | `http`, `redirects` | how is one request sent, and where may it be sent on to? |
//! | [`patience`] | when is it asked again? |
//! | [`fetch`] | documents and blobs, in one piece although the network is not |
//! | [`upload`] | blobs and documents, the other way |
//! | [`pages`] | lists, of which no end is promised |

mod auth;
mod causes;
mod challenge;
pub mod credentials;
mod error;
pub mod fetch;
pub mod hosts;
mod http;
pub mod pages;
pub mod patience;
mod redirects;
pub mod upload;

use std::sync::Arc;

use reqwest::Url;

pub use error::{Error, Refusal, Result};
pub use http::Says;

use crate::reference::DOCKER_HUB;
use auth::Auth;
use credentials::{Credentials, Keys};
use hosts::{Host, Hosts};
use http::{Ask, Http, Reply};
use patience::Patience;
use redirects::{name_of, same_origin};

/// All that is known here of registries, and how they are treated.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where they are, and whether they are trusted.
    pub hosts: Hosts,
    /// Who we are to them.
    pub keys: Keys,
    /// How often they are asked.
    pub patience: Patience,
    /// Who hears what is waited for.
    pub says: Says,
}

impl Settings {
    /// What the machine and the user have written down.
    ///
    /// # Errors
    /// A file of theirs makes no sense.
    pub fn read() -> Result<Settings> {
        let (hosts, keys) = (Hosts::read()?, Keys::read()?);
        Ok(Settings { hosts, keys, ..Settings::default() })
    }
}

/// A registry, with its mirrors in front of it.
#[derive(Clone, Debug)]
pub struct Registry {
    name: String,
    http: Arc<Http>,
    /// The mirrors in the order in which they are asked, then the registry itself.
    endpoints: Arc<Vec<Endpoint>>,
}

/// One server that speaks for a registry.
#[derive(Debug)]
pub(crate) struct Endpoint {
    base: Url,
    host: Host,
    auth: Auth,
}

impl Registry {
    /// Gets ready to ask the registry of this name; nothing is sent yet. Here the user's credentials
    /// are looked up, perhaps by another program, so this comes before there are threads.
    ///
    /// # Errors
    /// What is known of it makes no sense, or a helper does not give the credentials that it has.
    pub fn open(name: &str, settings: &Settings) -> Result<Registry> {
        let credentials = settings.keys.of(name)?;
        Registry::open_as(name, credentials, settings)
    }

    /// As [`Registry::open`], as somebody else than is written down.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn open_as(
        name: &str,
        credentials: Option<Credentials>,
        settings: &Settings,
    ) -> Result<Registry> {
        let host = settings.hosts.of(name)?;
        let mut endpoints = Vec::new();
        for mirror in &host.mirrors {
            let credentials = settings.keys.of(mirror)?;
            endpoints.push(Endpoint::new(mirror, credentials, settings.hosts.of(mirror)?)?);
        }
        endpoints.push(Endpoint::new(name, credentials, host)?);
        let Settings { hosts, patience, says, .. } = settings.clone();
        let http = Arc::new(Http::new(hosts, patience, says));
        Ok(Registry { name: name.to_owned(), http, endpoints: Arc::new(endpoints) })
    }

    /// The registry's name, as it stands in names of images.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is there, and believes who we are.
    ///
    /// # Errors
    /// It is not, or does not.
    pub fn check(&self) -> Result<()> {
        let origin = self.origin();
        let why = "see whether it is a registry, and knows us";
        let ask = Ask::new("GET", origin.url(&[])?, why);
        origin.ask(&self.http, &ask, &[]).map(drop)
    }

    /// The registry itself: what is sent is sent there, and not to mirrors.
    pub(crate) fn origin(&self) -> &Endpoint {
        self.endpoints.last().expect("the registry itself is always there")
    }

    /// Asks the mirrors, and then the registry itself, until one has what is wanted.
    pub(crate) fn ask_any<T>(
        &self,
        mut ask: impl FnMut(&Endpoint, bool) -> Result<T>,
    ) -> Result<T> {
        let (origin, mirrors) = self.endpoints.split_last().expect("as above");
        for mirror in mirrors {
            match ask(mirror, false) {
                Ok(value) => return Ok(value),
                Err(error @ Error::Request(primitives::Error::Aborted)) => return Err(error),
                Err(error) => {
                    let name = name_of(&mirror.base);
                    self.http.says(&format!("the mirror {name} is passed over: {error}"));
                }
            }
        }
        ask(origin, true)
    }
}

impl Endpoint {
    fn new(name: &str, credentials: Option<Credentials>, host: Host) -> Result<Endpoint> {
        let scheme = if host.is_plain(name) { "http" } else { "https" };
        // Docker Hub's name is not the host where its registry is.
        let at = if name == DOCKER_HUB { "registry-1.docker.io" } else { name };
        let base = Url::parse(&format!("{scheme}://{at}/v2/"))
            .map_err(|error| Error::Unusable(format!("the registry {name:?}: {error}")))?;
        Ok(Endpoint { base, host, auth: Auth::new(name, credentials) })
    }

    /// The URL of something in the registry, by the parts of its path.
    pub(crate) fn url(&self, parts: &[&str]) -> Result<Url> {
        let path = parts.join("/");
        let url = self.base.join(&path);
        url.map_err(|error| Error::Unusable(format!("{}{path}: {error}", self.base)))
    }

    /// Whether a URL is this server's own.
    pub(crate) fn is_own(&self, url: &Url) -> bool {
        same_origin(&self.base, url)
    }

    /// Asks, and asks again where that makes sense, until there is an answer that says yes.
    pub(crate) fn ask(&self, http: &Http, ask: &Ask<'_>, scopes: &[String]) -> Result<Reply> {
        http.patiently(|| self.ask_once(http, ask, scopes))
    }

    /// Asks once, and once more if it has to be shown who we are.
    pub(crate) fn ask_once(&self, http: &Http, ask: &Ask<'_>, scopes: &[String]) -> Result<Reply> {
        let shown = self.auth.known(http, &self.host, scopes)?;
        let reply = http.send(ask, shown.as_ref())?;
        // Somebody that we were sent on to has no claim to know who we are.
        if reply.status() != 401 || !self.is_own(&reply.url) {
            return self.accepted(reply);
        }
        let shown = self.auth.answer(http, &self.host, scopes, &reply, shown.as_ref())?;
        // Read to its end, the connection is good for the next request.
        let _ = reply.bytes(1 << 16);
        let reply = http.send(ask, Some(&shown))?;
        self.accepted(reply)
    }

    fn accepted(&self, reply: Reply) -> Result<Reply> {
        let hint = match reply.status().as_u16() {
            200..=299 => return Ok(reply),
            401 | 403 => Some(self.auth.hint()),
            // It may have said so, but after a HEAD nobody hears it.
            400 if self.base.scheme() == "http" => Some(format!(
                "it was asked without TLS: if it wants TLS, name its authority, with --ca {}=FILE",
                name_of(&self.base)
            )),
            _ => None,
        };
        Err(reply.refused(hint))
    }
}

/// What is done to a repository, in the words of tokens.
pub(crate) fn scope(repository: &str, actions: &str) -> String {
    format!("repository:{repository}:{actions}")
}
