//! How do documents and blobs come out of a registry in one piece, although the network is not?

use std::io::{self, Read};
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};

use super::error::{Error, Result};
use super::http::{Ask, Reply};
use super::{Endpoint, Registry, scope};
use crate::digest::{Digest, Hasher};
use crate::steps::step;

/// The largest document: what the specification asks a registry to take, and no more.
pub const LARGEST_DOCUMENT: u64 = 4 << 20;
/// How often an answer may break off in all, however little it brought each time.
const MOST_CUTS: u32 = 1000;

/// What is understood. Each stands on a line of its own, as Docker sends them: some registries look at
/// the first line only, and then at all of it.
const DOCUMENTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// A document, whose digest was computed here.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// As it came.
    pub bytes: Vec<u8>,
    /// What the registry calls it; the document itself may say something else.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
}

impl Registry {
    /// The digest of what `wanted`, a tag or a digest, means now; none when the registry does not say.
    ///
    /// # Errors
    /// There is no such document, or no answer.
    pub fn head(&self, repository: &str, wanted: &str) -> Result<Option<Digest>> {
        let scopes = [scope(repository, "pull")];
        let reply = self.ask_any(|endpoint, patient| {
            let url = endpoint.url(&[repository, "manifests", wanted])?;
            let ask = documents(Ask::new("HEAD", url, "see what the name means today"))?;
            self.ask(endpoint, patient, &ask, &scopes)
        });
        match reply {
            Ok(reply) => Ok(reply.header("docker-content-digest").and_then(|d| d.parse().ok())),
            // Some registries do not know HEAD.
            Err(error) if error.status() == Some(405) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A document, by its tag or digest.
    ///
    /// # Errors
    /// There is none, or it is not the one that has this digest.
    pub fn document(&self, repository: &str, wanted: &str) -> Result<Fetched> {
        let scopes = [scope(repository, "pull")];
        self.ask_any(|endpoint, patient| {
            let url = endpoint.url(&[repository, "manifests", wanted])?;
            let ask = documents(Ask::new("GET", url, "read what the image is made of"))?;
            let whole = || {
                let reply = endpoint.ask_once(&self.http, &ask, &scopes)?;
                read_document(reply, wanted)
            };
            if patient { self.http.patiently(whole) } else { whole() }
        })
    }

    /// A blob that is known to be small, such as a configuration, as a whole and verified.
    ///
    /// # Errors
    /// As [`Blob`], and when it is larger than a document may be.
    pub fn small_blob(&self, repository: &str, digest: &Digest, size: u64) -> Result<Vec<u8>> {
        if size > LARGEST_DOCUMENT {
            let what = format!("it would be {size} bytes, and {LARGEST_DOCUMENT} are allowed");
            return Err(Error::wrong(digest.to_string(), what));
        }
        let mut blob = self.blob(repository, digest, size, &[]);
        let mut bytes = Vec::new();
        blob.read_to_end(&mut bytes).map_err(error_in)?;
        let found = digest_of(&bytes, digest);
        if found != *digest {
            let what = format!("what came has the digest {found}, it is something else");
            return Err(Error::wrong(format!("the blob {digest}"), what));
        }
        Ok(bytes)
    }

    /// A blob of this size, to be read. Where the connection breaks it goes on by itself; that the bytes
    /// have the right digest is for who reads them to see. `urls` are other places that may have it.
    pub fn blob(&self, repository: &str, digest: &Digest, size: u64, urls: &[String]) -> Blob {
        Blob {
            registry: self.clone(),
            repository: repository.to_owned(),
            digest: digest.clone(),
            urls: urls.to_vec(),
            size,
            at: 0,
            reply: None,
            tries: 0,
            cuts: 0,
            ended: false,
        }
    }

    /// Whether the registry has this blob, so that it need not be sent.
    ///
    /// # Errors
    /// There is no answer, or one that says neither.
    pub fn has_blob(&self, repository: &str, digest: &Digest) -> Result<bool> {
        let origin = self.origin();
        let url = origin.url(&[repository, "blobs", &digest.to_string()])?;
        let ask = Ask::new("HEAD", url, "see whether the registry has it already");
        match origin.ask(&self.http, &ask, &[scope(repository, "pull,push")]) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Mirrors are asked once: behind them is one that can do better.
    fn ask(
        &self,
        endpoint: &Endpoint,
        patient: bool,
        ask: &Ask<'_>,
        scopes: &[String],
    ) -> Result<Reply> {
        match patient {
            true => endpoint.ask(&self.http, ask, scopes),
            false => endpoint.ask_once(&self.http, ask, scopes),
        }
    }
}

fn documents(ask: Ask<'_>) -> Result<Ask<'_>> {
    DOCUMENTS.iter().try_fold(ask, |ask, media_type| ask.header(ACCEPT, media_type))
}

fn read_document(reply: Reply, wanted: &str) -> Result<Fetched> {
    let asked = reply.asked();
    let media_type = reply.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
    let claimed: Option<Digest> =
        reply.header("docker-content-digest").and_then(|digest| digest.parse().ok());
    let bytes = reply.bytes(LARGEST_DOCUMENT)?;
    // By digest: it is what was asked for, whatever the server calls it.
    if let Ok(wanted) = wanted.parse::<Digest>() {
        let found = digest_of(&bytes, &wanted);
        if found != wanted {
            let what = format!("the answer has the digest {found}, it is another document");
            return Err(Error::wrong(asked, what));
        }
        return Ok(Fetched { bytes, media_type, digest: wanted });
    }
    // By tag: what the server says of its own answer must at least be true.
    let digest = claimed.unwrap_or_else(|| Digest::of(&bytes));
    let found = digest_of(&bytes, &digest);
    if found != digest {
        let what = format!("the answer has the digest {found}, and the registry says {digest}");
        return Err(Error::wrong(asked, what));
    }
    Ok(Fetched { bytes, media_type, digest })
}

/// The digest of `bytes` in the algorithm of another.
pub(crate) fn digest_of(bytes: &[u8], like: &Digest) -> Digest {
    let mut hasher = Hasher::new(like.algorithm());
    hasher.update(bytes);
    hasher.finish()
}

/// The bytes of a blob, so many as they should be: one too few or too many is an error.
#[derive(Debug)]
pub struct Blob {
    registry: Registry,
    repository: String,
    digest: Digest,
    urls: Vec<String>,
    size: u64,
    /// The next byte.
    at: u64,
    reply: Option<Reply>,
    /// How often it broke off since the last byte.
    tries: u32,
    /// How often it broke off in all.
    cuts: u32,
    ended: bool,
}

impl Blob {
    /// Begins there: what lies before is known already. Before the first byte is read.
    #[must_use]
    pub fn from(mut self, at: u64) -> Self {
        self.at = at;
        self
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if self.reply.is_none() {
                if self.at == self.size && self.size > 0 {
                    // All of it was known already, or came before the connection broke.
                    self.ended = true;
                    return Ok(0);
                }
                // Whoever reads may be in another thread, which is in no step.
                self.reply = Some(step("ask for the bytes", || self.open())?);
            }
            let reply = self.reply.as_mut().expect("it was just opened");
            match reply.read(buffer) {
                Ok(0) if self.at == self.size => {
                    self.ended = true;
                    return Ok(0);
                }
                Ok(0) => self.broke_off(&io::ErrorKind::UnexpectedEof.into())?,
                Ok(length) => return self.came(length),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.broke_off(&error)?,
            }
        }
    }

    fn came(&mut self, length: usize) -> Result<usize> {
        self.at += length as u64;
        self.tries = 0;
        if self.at > self.size {
            let what = format!("more comes than the {} bytes that it should have", self.size);
            return Err(Error::wrong(self.called(), what));
        }
        Ok(length)
    }

    /// Waits before the next try, if there is one.
    fn broke_off(&mut self, error: &io::Error) -> Result<()> {
        let reply = self.reply.take().expect("somebody read from it");
        let error = reply.cut(error);
        self.tries += 1;
        self.cuts += 1;
        let patience = self.registry.http.patience().clone();
        if self.cuts > MOST_CUTS {
            return Err(error);
        }
        match patience.wait_after(&error, self.tries)? {
            None => Err(error),
            // It did bring something: there is no reason to wait.
            Some(_) if self.tries == 1 => Ok(()),
            Some(wait) => {
                let time: Duration = wait.announced(&|text| self.registry.http.says(text));
                std::thread::sleep(time);
                Ok(())
            }
        }
    }

    fn open(&self) -> Result<Reply> {
        let scopes = [scope(&self.repository, "pull")];
        let digest = self.digest.to_string();
        let opened = self.registry.ask_any(|endpoint, patient| {
            let url = endpoint.url(&[&self.repository, "blobs", &digest])?;
            let ask = self.ask_for(url)?;
            let reply = self.registry.ask(endpoint, patient, &ask, &scopes);
            self.positioned(reply.map_err(|error| self.explained(error))?)
        });
        match opened {
            Err(error) if error.is_not_found() && !self.urls.is_empty() => self.open_elsewhere(),
            opened => opened,
        }
    }

    /// A layer that may not be given away lies at its owner's. Whoever that is, we are nobody there.
    fn open_elsewhere(&self) -> Result<Reply> {
        let mut last = Error::wrong(self.called(), "it is nowhere");
        for url in &self.urls {
            let opened = Url::parse(url)
                .map_err(|error| Error::Unusable(format!("{url:?}: {error}")))
                .and_then(|url| {
                    let ask = self.ask_for(url)?;
                    self.registry.http.patiently(|| {
                        let reply = self.registry.http.send(&ask, None)?;
                        match reply.status().is_success() {
                            true => self.positioned(reply),
                            false => Err(reply.refused(None)),
                        }
                    })
                });
            match opened {
                Ok(reply) => return Ok(reply),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn ask_for(&self, url: Url) -> Result<Ask<'static>> {
        let ask = Ask::new("GET", url, "have the bytes of this blob");
        match self.at {
            0 => Ok(ask),
            at => ask.header(RANGE, &format!("bytes={at}-")),
        }
    }

    /// The answer, read up to where the next byte is.
    fn positioned(&self, mut reply: Reply) -> Result<Reply> {
        let wrong = |what: String| Error::wrong(reply.asked(), what);
        let length =
            reply.header(CONTENT_LENGTH.as_str()).and_then(|text| text.parse::<u64>().ok());
        if reply.status() == 206 {
            let range = reply.header(CONTENT_RANGE.as_str()).unwrap_or_default();
            let (start, total) = range_of(range).ok_or_else(|| {
                wrong(format!("it is a part, but of {range:?} nobody knows which"))
            })?;
            if start != self.at {
                let at = self.at;
                return Err(wrong(format!("the part begins at byte {start}, asked for was {at}")));
            }
            if total.is_some_and(|total| total != self.size) {
                return Err(wrong(format!("it is part of {range:?}, not of {} bytes", self.size)));
            }
            return Ok(reply);
        }
        if let Some(length) = length.filter(|length| *length != self.size) {
            let size = self.size;
            return Err(wrong(format!("it has {length} bytes, and should have {size}")));
        }
        // The server does not know ranges: it begins again, and we pass over what we have.
        match pass_over(&mut reply, self.at) {
            Ok(()) => Ok(reply),
            Err(error) => Err(reply.cut(&error)),
        }
    }

    /// 416 means that the registry's blob ends before ours begins.
    fn explained(&self, error: Error) -> Error {
        match error.status() {
            Some(416) if self.at > 0 => {
                let (at, size) = (self.at, self.size);
                let what =
                    format!("the registry has no byte {at} of it, and it should have {size}");
                Error::wrong(self.called(), what)
            }
            _ => error,
        }
    }

    fn called(&self) -> String {
        format!("the blob {} of {}/{}", self.digest, self.registry.name, self.repository)
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        self.next(buffer).map_err(io::Error::other)
    }
}

/// Reads so many bytes and forgets them.
pub(crate) fn pass_over(reader: &mut impl Read, mut bytes: u64) -> io::Result<()> {
    let mut room = vec![0; 64 << 10];
    while bytes > 0 {
        let most = room.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        match reader.read(&mut room[..most])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes -= read as u64,
        }
    }
    Ok(())
}

/// The error that came through somebody who reads.
pub fn error_in(error: io::Error) -> Error {
    let text = error.to_string();
    match error.into_inner().map(|inner| inner.downcast::<Error>()) {
        Some(Ok(error)) => *error,
        _ => Error::Unusable(text),
    }
}

/// The first byte and the whole length of `bytes 5-9/10`.
fn range_of(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((start.trim().parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::range_of;

    #[test]
    fn ranges_say_where_they_begin() {
        assert_eq!(range_of("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range_of("bytes 0-0/*"), Some((0, None)));
        for text in ["", "bytes */10", "5-9/10", "bytes 5-9", "bytes x-9/10", "bytes 5-9/ten"] {
            assert_eq!(range_of(text), None, "{text}");
        }
    }
}
