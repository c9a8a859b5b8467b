//! How does a registry come to believe who we are?
//!
//! It is asked without a word first. If it answers 401 it says what it wants: a name and password with
//! each request (Basic), or a token (Bearer) that another server hands out, for some repositories and
//! a few minutes. That other server, the *realm*, is named by the registry, so the registry could name
//! anybody's: it is asked only if it is the registry's own host, or one that is known for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

use super::challenge::{Challenge, challenges};
use super::credentials::Credentials;
use super::error::{Error, Result};
use super::hosts::{Host, is_loopback};
use super::http::{Ask, Http, Payload, Reply};
use super::redirects::name_of;

/// The largest answer of a server that hands out tokens.
const LARGEST_TOKEN: u64 = 1 << 20;
/// How long a token is good that does not say (distribution-spec, "Token").
const SHORTEST_LIFE: Duration = Duration::from_secs(60);

/// What one registry wants to see, and what it was shown.
#[derive(Debug)]
pub(crate) struct Auth {
    /// The registry, as it is called in names of images.
    name: String,
    credentials: Option<Credentials>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What it wants; none while it has wanted nothing.
    wants: Option<Challenge>,
    tokens: HashMap<String, Token>,
}

#[derive(Debug)]
struct Token {
    header: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

impl Auth {
    pub(crate) fn new(name: &str, credentials: Option<Credentials>) -> Auth {
        Auth { name: name.to_owned(), credentials, state: Mutex::default() }
    }

    /// What to show without being asked: what the registry wanted the last time.
    pub(crate) fn known(
        &self,
        http: &Http,
        host: &Host,
        scopes: &[String],
    ) -> Result<Option<HeaderValue>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.wants.clone() {
            None => Ok(None),
            Some(challenge) => self.shown(http, host, &challenge, scopes, &mut state).map(Some),
        }
    }

    /// What to show after a 401; `shown` is what was shown with the request, and not believed.
    pub(crate) fn answer(
        &self,
        http: &Http,
        host: &Host,
        scopes: &[String],
        reply: &Reply,
        shown: Option<&HeaderValue>,
    ) -> Result<HeaderValue> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = reply.headers().get_all(WWW_AUTHENTICATE).iter();
        let all: Vec<Challenge> =
            lines.filter_map(|line| line.to_str().ok()).flat_map(challenges).collect();
        let of = |scheme: &str| all.iter().find(|challenge| challenge.scheme == scheme).cloned();
        let Some(challenge) = of("bearer").or_else(|| of("basic")) else {
            let what =
                "it wants to know who we are, and does not say how: neither Bearer nor Basic";
            return Err(Error::wrong(reply.asked(), what));
        };
        let key = key(&challenge, scopes);
        // Another thread may have a newer token than the one that was not believed.
        state.tokens.retain(|is, token| *is != key || shown != Some(&token.header));
        state.wants = Some(challenge.clone());
        self.shown(http, host, &challenge, scopes, &mut state)
    }

    /// A hint for who was not believed.
    pub(crate) fn hint(&self) -> String {
        let name = &self.name;
        match &self.credentials {
            None => format!("nothing is known here of who you are to {name}: image login {name}"),
            Some(credentials) => {
                format!("it was shown {credentials:?}, and is not content with it")
            }
        }
    }

    fn shown(
        &self,
        http: &Http,
        host: &Host,
        challenge: &Challenge,
        scopes: &[String],
        state: &mut State,
    ) -> Result<HeaderValue> {
        if let Some(Credentials::Bearer(token)) = &self.credentials {
            return secret(&format!("Bearer {token}"));
        }
        if challenge.scheme == "basic" {
            return match &self.credentials {
                Some(Credentials::Password { user, password }) => basic(user, password),
                _ => Err(Error::Unusable(format!(
                    "{} wants a name and a password ({})",
                    self.name,
                    self.hint()
                ))),
            };
        }
        let key = key(challenge, scopes);
        if let Some(token) = state.tokens.get(&key).filter(|token| token.until > Instant::now()) {
            return Ok(token.header.clone());
        }
        let token = self.fetch(http, host, challenge, scopes)?;
        let header = token.header.clone();
        state.tokens.insert(key, token);
        Ok(header)
    }

    /// Asks the realm for a token. Held by one thread, while others that want it wait for it.
    fn fetch(
        &self,
        http: &Http,
        host: &Host,
        challenge: &Challenge,
        scopes: &[String],
    ) -> Result<Token> {
        let realm = self.realm(host, challenge)?;
        let service = challenge.get("service").unwrap_or_default();
        let mut scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        if scopes.is_empty() {
            scopes.extend(challenge.get("scope"));
        }
        let reply = match &self.credentials {
            Some(Credentials::Identity(token)) => {
                let form = form(&[
                    ("grant_type", "refresh_token"),
                    ("service", service),
                    ("client_id", "porthole"),
                    ("scope", &scopes.join(" ")),
                    ("refresh_token", token),
                ]);
                let ask = Ask::new("POST", realm, "exchange our token for one for this repository")
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")?
                    .carrying(Payload::Bytes(form.as_bytes()));
                http.patiently(|| checked(http.send(&ask, None)?, &self.hint()))?
            }
            credentials => {
                let mut realm = realm;
                let mut header = None;
                {
                    let mut query = realm.query_pairs_mut();
                    if !service.is_empty() {
                        query.append_pair("service", service);
                    }
                    for scope in scopes {
                        query.append_pair("scope", scope);
                    }
                    if let Some(Credentials::Password { user, password }) = credentials {
                        query.append_pair("account", user);
                        header = Some(basic(user, password)?);
                    }
                }
                let ask = Ask::new("GET", realm, "have a token for this repository");
                http.patiently(|| checked(http.send(&ask, header.as_ref())?, &self.hint()))?
            }
        };
        token_in(reply)
    }

    /// The server that hands out tokens, if it may know who we are.
    fn realm(&self, host: &Host, challenge: &Challenge) -> Result<Url> {
        let name = &self.name;
        let text = challenge.get("realm").unwrap_or_default();
        let realm = Url::parse(text).map_err(|error| {
            Error::Unusable(format!("{name} sends us for a token to {text:?}: {error}"))
        })?;
        let other = realm.host_str().unwrap_or_default();
        if !host.trusts_realm(name, other) {
            return Err(Error::Unusable(format!(
                "{name} sends us for a token to the realm {other}, which is another host: if it is right, \
                 say so in registries.json: {{\"{name}\": {{\"realms\": [\"{other}\"]}}}}"
            )));
        }
        let plainly = realm.scheme() == "http";
        if realm.scheme() != "https" && !plainly
            || plainly && !host.is_plain(name) && !is_loopback(&name_of(&realm))
        {
            return Err(Error::Unusable(format!(
                "{name} sends us for a token to {text:?}, where anybody could listen"
            )));
        }
        if !realm.username().is_empty() || realm.password().is_some() {
            return Err(Error::Unusable(format!("{name}: the realm has a name or password in it")));
        }
        Ok(realm)
    }
}

/// Tokens are for some scopes at one realm.
fn key(challenge: &Challenge, scopes: &[String]) -> String {
    let part = |name: &str| challenge.get(name).unwrap_or_default().to_owned();
    let scopes = if scopes.is_empty() { part("scope") } else { scopes.join(" ") };
    [part("realm"), part("service"), scopes].join("\n")
}

fn checked(reply: Reply, hint: &str) -> Result<Reply> {
    match reply.status().as_u16() {
        200..=299 => Ok(reply),
        401 | 403 => Err(reply.refused(Some(hint.to_owned()))),
        _ => Err(reply.refused(None)),
    }
}

fn token_in(reply: Reply) -> Result<Token> {
    let asked = reply.asked();
    let wrong = |what: String| Error::wrong(asked.clone(), what);
    let body = reply.bytes(LARGEST_TOKEN)?;
    let answer: TokenAnswer = serde_json::from_slice(&body)
        .map_err(|error| wrong(format!("what should be a token is not: {error}")))?;
    let token = if answer.token.is_empty() { answer.access_token } else { answer.token };
    if token.is_empty() {
        return Err(wrong("there is no token in the answer".into()));
    }
    let life = answer.expires_in.map(Duration::from_secs).unwrap_or_default();
    let life = life.clamp(SHORTEST_LIFE, Duration::from_secs(24 * 3600));
    // It has to be good for a request that is still on its way.
    let until = Instant::now() + life.mul_f64(0.9);
    Ok(Token { header: secret(&format!("Bearer {token}"))?, until })
}

pub(crate) fn basic(user: &str, password: &str) -> Result<HeaderValue> {
    secret(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// A header that no debug output shows.
fn secret(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::Unusable(format!("{AUTHORIZATION}: there is a character in it that cannot be sent"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn form(pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://form/").expect("it is a URL");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}
