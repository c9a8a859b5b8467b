//! How is one request sent, and where may it be sent on to?
//!
//! Redirects are followed here and not by the library, because of what goes along: a credential is
//! for the host that it was made for, and is dropped for good when a redirect leads to another scheme,
//! host or port. What began with TLS does not go on without.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use primitives::Answer;
use reqwest::blocking::{self, Client, ClientBuilder, Response};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Identity, Method, StatusCode, Url, redirect};

use super::causes::{errno_of, innermost};
use super::error::{self, Error, Refusal, Result, asked};
use super::hosts::{Host, Hosts, is_loopback};
use super::patience::{Patience, retry_after};
use super::redirects::{name_of, next_url, same_origin};

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 10;
/// What is read of an answer that says no.
const LARGEST_REFUSAL: u64 = 1 << 20;
/// An upload takes as long as it takes; that the other end is gone, TCP notices.
const AN_UPLOAD: Duration = Duration::from_secs(24 * 3600);

/// A request that can be sent, and sent again.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) payload: Payload<'a>,
    pub(crate) why: &'static str,
}

/// What goes along with a request.
pub(crate) enum Payload<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// So many bytes, from a reader that can be had anew for another try.
    Stream {
        length: u64,
        open: &'a dyn Fn() -> Result<Box<dyn Read + Send>>,
    },
}

/// What came back: the head, and a body that is still to be read.
#[derive(Debug)]
pub(crate) struct Reply {
    method: &'static str,
    /// Who has answered in the end.
    pub(crate) url: Url,
    answer: Answer<Body>,
}

/// A body as the library gives it, but for its timeouts: those are told as the kernel's are.
#[derive(Debug)]
struct Body(Response);

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            let library = error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>());
            match library.is_some_and(reqwest::Error::is_timeout) {
                true => io::Error::new(io::ErrorKind::TimedOut, "nothing came for too long"),
                false => error,
            }
        })
    }
}

/// Connections to any number of hosts.
#[derive(Debug)]
pub(crate) struct Http {
    hosts: Hosts,
    patience: Patience,
    clients: Mutex<HashMap<String, Client>>,
    says: Says,
}

/// Hears what is waited for.
#[derive(Clone)]
pub struct Says(pub std::sync::Arc<dyn Fn(&str) + Send + Sync>);

impl std::fmt::Debug for Says {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("somebody who listens")
    }
}

impl Default for Says {
    fn default() -> Says {
        Says(std::sync::Arc::new(|_| {}))
    }
}

impl<'a> Ask<'a> {
    pub(crate) fn new(method: &'static str, url: Url, why: &'static str) -> Ask<'a> {
        Ask { method, url, headers: Vec::new(), payload: Payload::Nothing, why }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Result<Ask<'a>> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::Unusable(format!("{name}: {value:?} cannot be sent")))?;
        self.headers.push((name, value));
        Ok(self)
    }

    pub(crate) fn carrying(mut self, payload: Payload<'a>) -> Ask<'a> {
        self.payload = payload;
        self
    }

    /// What the window shows besides the URL.
    fn remarks(&self) -> Vec<(&'static str, String)> {
        let range = self.headers.iter().find(|(name, _)| *name == reqwest::header::RANGE);
        let range = range.map(|(_, value)| ("range", value.to_str().unwrap_or("?").to_owned()));
        let sent = match self.payload {
            Payload::Nothing => None,
            Payload::Bytes(bytes) => Some(("sent", bytes.len().to_string())),
            Payload::Stream { length, .. } => Some(("sent", length.to_string())),
        };
        range.into_iter().chain(sent).collect()
    }
}

impl Reply {
    pub(crate) fn status(&self) -> StatusCode {
        self.answer.head().0.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.answer.head().0.headers()
    }

    /// A header's value, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// How the exchange is called in messages.
    pub(crate) fn asked(&self) -> String {
        asked(self.method, self.url.as_str())
    }

    /// The whole body, which may not be larger than this.
    pub(crate) fn bytes(mut self, most: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.answer).take(most + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.cut(&error))?;
        if bytes.len() as u64 > most {
            let what = format!("the answer is larger than {most} bytes, which no honest one is");
            return Err(Error::wrong(self.asked(), what));
        }
        Ok(bytes)
    }

    /// The error for a body that ended before its time.
    pub(crate) fn cut(&self, error: &io::Error) -> Error {
        let errno = primitives::cause_of(error);
        let said = format!("the answer broke off: {}", innermost(error));
        let refusal = primitives::broken_off(self.method, self.url.as_str(), errno);
        Error::Network { refusal, said }
    }

    /// The answer says no: as an error, with what it says.
    pub(crate) fn refused(self, hint: Option<String>) -> Error {
        let (method, status) = (self.method, self.status());
        let url = primitives::without_secrets(self.url.as_str());
        let after = self.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = after.and_then(|text| retry_after(text, SystemTime::now()));
        let mut body = Vec::new();
        // Whatever came of a body that broke off is better than nothing.
        let _ = self.answer.take(LARGEST_REFUSAL).read_to_end(&mut body);
        let said = error::said_in(&body);
        Error::Refused(Box::new(Refusal { method, url, status, said, retry_after, hint }))
    }
}

impl Read for Reply {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.answer.read(buffer)
    }
}

impl Http {
    pub(crate) fn new(hosts: Hosts, patience: Patience, says: Says) -> Http {
        // Only the first one counts, and it is always the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        primitives::outlive_closed_connections();
        Http { hosts, patience, clients: Mutex::default(), says }
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Tells what is waited for.
    pub(crate) fn says(&self, what: &str) {
        (self.says.0)(what);
    }

    /// Tries again, as long as that makes sense.
    pub(crate) fn patiently<T>(&self, attempt: impl FnMut() -> Result<T>) -> Result<T> {
        self.patience.with(&*self.says.0, attempt)
    }

    /// Sends once, and follows where it is sent on to.
    pub(crate) fn send(&self, ask: &Ask<'_>, credential: Option<&HeaderValue>) -> Result<Reply> {
        let mut url = ask.url.clone();
        let mut credential = credential;
        for _ in 0..MOST_REDIRECTS {
            let reply = self.exchange(ask, &url, credential)?;
            let status = reply.status();
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(reply);
            }
            if !matches!(ask.method, "GET" | "HEAD") {
                let what = "it is redirected elsewhere, and what is sent is not sent to others";
                return Err(Error::wrong(reply.asked(), what));
            }
            let next = next_url(&reply)?;
            if !same_origin(&ask.url, &next) {
                credential = None;
            }
            url = next;
        }
        let what = format!("it was redirected {MOST_REDIRECTS} times and more");
        Err(Error::wrong(asked(ask.method, ask.url.as_str()), what))
    }

    fn exchange(
        &self,
        ask: &Ask<'_>,
        url: &Url,
        credential: Option<&HeaderValue>,
    ) -> Result<Reply> {
        let client = self.client(url)?;
        let method = Method::from_bytes(ask.method.as_bytes()).expect("a method is a word");
        let mut request = client.request(method, url.clone());
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if let Some(credential) = credential {
            request = request.header(AUTHORIZATION, credential);
        }
        request = match &ask.payload {
            Payload::Nothing => request,
            Payload::Bytes(bytes) => request.body(bytes.to_vec()),
            Payload::Stream { length, open } => {
                request.body(blocking::Body::sized(open()?, *length)).timeout(AN_UPLOAD)
            }
        };
        let mut said = String::new();
        let send = || {
            let response = request.send().map_err(|error| {
                let (errno, known) = errno_of(&error);
                if !known {
                    said = innermost(&error);
                }
                errno
            })?;
            Ok((response.status().as_u16(), Body(response)))
        };
        match primitives::exchange(ask.method, url.as_str(), &ask.remarks(), ask.why, send) {
            Ok(answer) => Ok(Reply { method: ask.method, url: url.clone(), answer }),
            // The kernel's errno says it all.
            Err(refusal) if said.is_empty() => Err(Error::Request(refusal)),
            Err(refusal) => Err(Error::Network { refusal, said: error::tame(&said) }),
        }
    }

    /// The client for the host of this URL: each has what is trusted for that host and no other.
    fn client(&self, url: &Url) -> Result<Client> {
        let name = name_of(url);
        let key = format!("{}://{name}", url.scheme());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let unusable =
            |error: reqwest::Error| Error::Unusable(format!("{key}: {}", innermost(&error)));
        let client = self.builder(url, &self.hosts.of(&name)?)?.build().map_err(unusable)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn builder(&self, url: &Url, host: &Host) -> Result<ClientBuilder> {
        let mut builder = Client::builder()
            .user_agent(concat!("porthole/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .timeout(self.patience.silence)
            .connect_timeout(self.patience.silence.min(Duration::from_secs(15)))
            .tcp_user_timeout(self.patience.silence);
        if is_loopback(&name_of(url)) {
            // What this machine is called, a proxy does not know.
            builder = builder.no_proxy();
        }
        if url.scheme() == "http" {
            // The machine's authorities are many, and nobody asks for them here.
            return Ok(builder.tls_certs_only([]));
        }
        if let Some(file) = &host.ca {
            let text = read_pem(file)?;
            let authorities = Certificate::from_pem_bundle(&text)
                .map_err(|error| Error::Unusable(format!("{}: {error}", file.display())))?;
            builder = builder.tls_certs_merge(authorities);
        }
        if let (Some(certificate), Some(key)) = (&host.certificate, &host.key) {
            let both = [read_pem(certificate)?, read_pem(key)?].concat();
            let identity = Identity::from_pem(&both)
                .map_err(|error| Error::Unusable(format!("{}: {error}", certificate.display())))?;
            builder = builder.identity(identity);
        }
        Ok(builder.tls_danger_accept_invalid_certs(host.skip_verify))
    }
}

fn read_pem(file: &std::path::Path) -> Result<Vec<u8>> {
    let text = primitives::read_small(file);
    text.map(String::into_bytes)
        .map_err(|error| Error::Unusable(format!("{}: {error}", file.display())))
}
