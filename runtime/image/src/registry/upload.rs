//! How does a blob get into a registry, and a document after it?
//!
//! First it is asked whether the blob is there. If not, perhaps another repository of the same registry
//! has it and it can be mounted from there. Only then it is sent: in one piece, or in several. Where the
//! connection breaks, the registry is asked how much it has, and the rest is sent.

use std::io::Read;

use reqwest::Url;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};

use super::error::{Error, Result, tame};
use super::http::{Ask, Payload, Reply};
use super::{Registry, scope};
use crate::digest::Digest;

const BYTES: &str = "application/octet-stream";

/// What had to be done for a blob to be in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// Nothing: it was there.
    WasThere,
    /// It was taken over from another repository.
    Mounted,
    /// It was sent.
    Sent,
}

/// Who keeps the list of documents that are about another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// The registry has said that it does.
    Itself,
    /// The registry has not; perhaps there was no reason to.
    Nothing,
}

/// A blob that is to be sent.
pub struct Outgoing<'a> {
    /// Its digest.
    pub digest: &'a Digest,
    /// Its size.
    pub size: u64,
    /// Reads it from this byte on.
    pub open: &'a dyn Fn(u64) -> Result<Box<dyn Read + Send>>,
    /// How large each piece is; none is in one piece.
    pub piece: Option<u64>,
    /// Another repository of the registry that may have it.
    pub from: Option<&'a str>,
}

/// An upload that has begun: where the next bytes go.
struct Session {
    location: Url,
    at: u64,
}

impl Registry {
    /// Sees to it that a blob is in a repository.
    ///
    /// # Errors
    /// The registry does not take it.
    pub fn upload(&self, repository: &str, blob: &Outgoing<'_>) -> Result<Uploaded> {
        if self.has_blob(repository, blob.digest)? {
            return Ok(Uploaded::WasThere);
        }
        let Some(mut session) = self.begin(repository, blob)? else {
            return Ok(Uploaded::Mounted);
        };
        let patience = self.http.patience();
        let mut tries = 0;
        loop {
            let before = session.at;
            let error = match self.send_rest(repository, blob, &mut session) {
                Ok(()) => return Ok(Uploaded::Sent),
                Err(error) => error,
            };
            tries = if session.at > before { 1 } else { tries + 1 };
            // The registry counts otherwise than we do: it is asked how much it has.
            let miscounted = error.status() == Some(416) && tries < patience.tries;
            match patience.wait_after(&error, tries)? {
                Some(wait) => std::thread::sleep(wait.announced(&|text| self.http.says(text))),
                None if miscounted => {}
                None => {
                    self.give_up(repository, &session);
                    return Err(error);
                }
            }
            session = match self.status(repository, &session) {
                Ok(session) => session,
                Err(error) if error.status().is_some() => {
                    let Some(session) = self.begin(repository, blob)? else {
                        return Ok(Uploaded::Mounted);
                    };
                    session
                }
                Err(error) => return Err(error),
            };
        }
    }

    /// Puts a document under a tag or under its digest.
    ///
    /// # Errors
    /// The registry does not take it; often because something that it lists is missing there.
    pub fn put_document(
        &self,
        repository: &str,
        wanted: &str,
        media_type: &str,
        bytes: &[u8],
        digest: &Digest,
    ) -> Result<Lists> {
        let origin = self.origin();
        let url = origin.url(&[repository, "manifests", wanted])?;
        let ask = Ask::new("PUT", url, "let others find it under this name")
            .header(CONTENT_TYPE, media_type)?
            .carrying(Payload::Bytes(bytes));
        let reply = origin.ask(&self.http, &ask, &[scope(repository, "pull,push")])?;
        has_taken(&reply, digest)?;
        Ok(match reply.header("oci-subject") {
            Some(_) => Lists::Itself,
            None => Lists::Nothing,
        })
    }

    /// Whether a document of this digest is there.
    ///
    /// # Errors
    /// There is no answer, or one that says neither.
    pub fn has_document(&self, repository: &str, digest: &Digest) -> Result<bool> {
        match self.head(repository, &digest.to_string()) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins an upload; none when the blob was mounted in its place.
    fn begin(&self, repository: &str, blob: &Outgoing<'_>) -> Result<Option<Session>> {
        if let Some(from) = blob.from {
            let scopes = [scope(repository, "pull,push"), scope(from, "pull")];
            // Who may not read there, or knows no mounting, sends it.
            if let Ok(reply) = self.post(repository, Some((blob.digest, from)), &scopes) {
                return match reply.status().as_u16() {
                    201 => Ok(None),
                    _ => Ok(Some(Session { location: self.location(&reply)?, at: 0 })),
                };
            }
        }
        let reply = self.post(repository, None, &[scope(repository, "pull,push")])?;
        Ok(Some(Session { location: self.location(&reply)?, at: 0 }))
    }

    fn post(
        &self,
        repository: &str,
        mount: Option<(&Digest, &str)>,
        scopes: &[String],
    ) -> Result<Reply> {
        let origin = self.origin();
        let mut url = origin.url(&[repository, "blobs", "uploads", ""])?;
        let mut why = "begin to send a blob";
        if let Some((digest, from)) = mount {
            url.query_pairs_mut()
                .append_pair("mount", &digest.to_string())
                .append_pair("from", from);
            why = "have a blob taken over from another repository";
        }
        let ask = Ask::new("POST", url, why).carrying(Payload::Bytes(b""));
        origin.ask(&self.http, &ask, scopes)
    }

    fn send_rest(
        &self,
        repository: &str,
        blob: &Outgoing<'_>,
        session: &mut Session,
    ) -> Result<()> {
        let rest = blob.size - session.at.min(blob.size);
        // The end of the upload can bring all of it along.
        if session.at == 0 && blob.piece.is_none_or(|piece| piece >= blob.size) {
            let open = || (blob.open)(0);
            let whole = Payload::Stream { length: rest, open: &open };
            return self.finish(repository, blob, session, whole);
        }
        while session.at < blob.size {
            let length = blob.piece.unwrap_or(u64::MAX).min(blob.size - session.at);
            let at = session.at;
            let open =
                || -> Result<Box<dyn Read + Send>> { Ok(Box::new((blob.open)(at)?.take(length))) };
            let ask = Ask::new("PATCH", session.location.clone(), "send a piece of a blob")
                .header(CONTENT_TYPE, BYTES)?
                .header(CONTENT_RANGE, &format!("{at}-{}", at + length - 1))?
                .carrying(Payload::Stream { length, open: &open });
            let reply = self.ask_for_upload(repository, &ask)?;
            session.location = self.location(&reply)?;
            session.at += length;
        }
        self.finish(repository, blob, session, Payload::Bytes(b""))
    }

    fn finish(
        &self,
        repository: &str,
        blob: &Outgoing<'_>,
        session: &Session,
        payload: Payload<'_>,
    ) -> Result<()> {
        let mut url = session.location.clone();
        url.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let ask =
            Ask::new("PUT", url, "give the blob its digest, which the registry then verifies")
                .header(CONTENT_TYPE, BYTES)?
                .carrying(payload);
        let reply = self.ask_for_upload(repository, &ask)?;
        has_taken(&reply, blob.digest)
    }

    /// How much the registry has of an upload.
    fn status(&self, repository: &str, session: &Session) -> Result<Session> {
        let why = "see how much of it has arrived";
        let ask = Ask::new("GET", session.location.clone(), why);
        let scopes = [scope(repository, "pull,push")];
        let reply = self.origin().ask(&self.http, &ask, &scopes)?;
        let last = reply.header(RANGE.as_str()).and_then(|range| range.rsplit_once('-'));
        let at = match last.and_then(|(_, last)| last.parse::<u64>().ok()) {
            // Nothing yet and one byte look the same, and nothing is the safe one.
            None | Some(0) => 0,
            Some(last) => last + 1,
        };
        let location = self.location(&reply).unwrap_or_else(|_| session.location.clone());
        Ok(Session { location, at })
    }

    /// What is sent is sent once: whether a part of it arrived is asked before it is sent again.
    fn ask_for_upload(&self, repository: &str, ask: &Ask<'_>) -> Result<Reply> {
        self.origin().ask_once(&self.http, ask, &[scope(repository, "pull,push")])
    }

    /// Tells the registry that nothing more comes; whether it hears that does not matter any more.
    fn give_up(&self, repository: &str, session: &Session) {
        let why = "leave nothing half-sent behind";
        let ask = Ask::new("DELETE", session.location.clone(), why);
        let _ = self.ask_for_upload(repository, &ask);
    }

    /// Where the registry wants the next bytes: nowhere but at itself, for our token goes along.
    fn location(&self, reply: &Reply) -> Result<Url> {
        let wrong = |what: String| Error::wrong(reply.asked(), what);
        let text = reply.header(LOCATION.as_str());
        let text = text.ok_or_else(|| wrong("it does not say where the bytes are to go".into()))?;
        let url = reply.url.join(text);
        let url = url.map_err(|error| wrong(format!("Location {:?}: {error}", tame(text))))?;
        let clean = url.username().is_empty() && url.password().is_none();
        if !self.origin().is_own(&url) || !clean {
            let shown = primitives::without_secrets(url.as_str());
            return Err(wrong(format!(
                "the bytes are to go to {shown}, which is not the registry that was asked"
            )));
        }
        Ok(url)
    }
}

/// A registry that says which digest it has computed must say the right one.
fn has_taken(reply: &Reply, digest: &Digest) -> Result<()> {
    let said = reply.header("docker-content-digest").and_then(|text| text.parse::<Digest>().ok());
    match said {
        Some(said) if said.algorithm() == digest.algorithm() && said != *digest => {
            let what = format!("{digest} was sent, and the registry has taken it for {said}");
            Err(Error::wrong(reply.asked(), what))
        }
        _ => Ok(()),
    }
}
