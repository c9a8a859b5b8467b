//! A registry that misbehaves on demand.
//!
//! It speaks enough HTTP/1.1 to be one, keeps what it has in memory, and writes down all that it was
//! asked. For each request it first asks the test how to answer; without a word it answers well.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image::digest::Digest;

/// A request, as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// How many requests with this method and target came before.
    pub(crate) before: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(is, _)| is.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    pub(crate) fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.target.contains(part)
    }

    /// The first byte that is asked for.
    pub(crate) fn start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }
}

/// An answer, and what is done to it on the way.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) fault: Fault,
}

/// What goes wrong with an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    None,
    /// Nothing is answered, the connection is reset.
    Reset,
    /// So many bytes of the body, then the connection is closed.
    Short(usize),
    /// So many bytes of the body, then the connection is reset.
    ResetAfter(usize),
    /// The length that is announced differs by this from what is sent; then it is closed.
    Lies(i64),
    /// No length is announced, and no end comes.
    Endless,
    /// So many bytes of the body, then nothing for this long.
    Silent(usize, Duration),
    /// A byte, a pause, a byte.
    Slow(Duration),
    /// Not HTTP at all.
    Garbage,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, headers: Vec::new(), body: body.into(), fault: Fault::None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.retain(|(is, _)| !is.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn and(mut self, fault: Fault) -> Answer {
        self.fault = fault;
        self
    }
}

/// What a registry has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) blobs: HashMap<String, Vec<u8>>,
    /// By digest and by tag: media type and bytes.
    pub(crate) documents: HashMap<String, (String, Vec<u8>)>,
    uploads: HashMap<String, Vec<u8>>,
}

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Contents {
    pub(crate) fn blob(&mut self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.blobs.insert(digest.to_string(), bytes.to_vec());
        digest
    }

    pub(crate) fn document(&mut self, tag: &str, media_type: &str, text: &str) -> Digest {
        let digest = Digest::of(text.as_bytes());
        let document = (media_type.to_owned(), text.as_bytes().to_vec());
        self.documents.insert(digest.to_string(), document.clone());
        self.documents.insert(tag.to_owned(), document);
        digest
    }
}

type Mischief = dyn Fn(&Request, &Contents) -> Option<Answer> + Send + Sync;

/// A server, until it goes out of scope.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    contents: Mutex<Arc<Contents>>,
    log: Mutex<Vec<Request>>,
    mischief: Mutex<Arc<Mischief>>,
    over: AtomicBool,
}

impl Fake {
    pub(crate) fn new() -> Fake {
        Fake::at("127.0.0.1")
    }

    /// On another address of this machine, so as another host.
    pub(crate) fn at(host: &str) -> Fake {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            contents: Mutex::default(),
            log: Mutex::default(),
            mischief: Mutex::new(Arc::new(|_, _| None)),
            over: AtomicBool::new(false),
        });
        let all = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if all.over.load(Ordering::Relaxed) {
                    break;
                }
                let all = all.clone();
                std::thread::spawn(move || all.serve(stream));
            }
        });
        Fake { address, shared }
    }

    /// The registry's name.
    pub(crate) fn name(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on this decides about answers.
    pub(crate) fn misbehave(
        &self,
        mischief: impl Fn(&Request, &Contents) -> Option<Answer> + Send + Sync + 'static,
    ) {
        *self.shared.mischief.lock().unwrap() = Arc::new(mischief);
    }

    pub(crate) fn behave(&self) {
        self.misbehave(|_, _| None);
    }

    pub(crate) fn fill<T>(&self, with: impl FnOnce(&mut Contents) -> T) -> T {
        with(Arc::make_mut(&mut self.shared.contents.lock().unwrap()))
    }

    /// What it was asked so far.
    pub(crate) fn log(&self) -> Vec<Request> {
        self.shared.log.lock().unwrap().clone()
    }

    /// As lines: method and target.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }

    pub(crate) fn forget(&self) {
        self.shared.log.lock().unwrap().clear();
    }

    /// Whether anybody showed a credential to it.
    pub(crate) fn saw_a_credential(&self) -> bool {
        self.log().iter().any(|seen| seen.header("authorization").is_some())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::with_capacity(1, stream.try_clone().unwrap());
        while let Some(mut request) = head(&mut reader) {
            let length = request.header("content-length").and_then(|text| text.parse().ok());
            // The last byte of a head is left, so that closing can be a reset.
            let answer = {
                let mut log = self.log.lock().unwrap();
                let same = |seen: &&Request| {
                    seen.method == request.method && seen.target == request.target
                };
                request.before = log.iter().filter(same).count();
                log.push(request.clone());
                drop(log);
                let mischief = self.mischief.lock().unwrap().clone();
                let contents = self.contents.lock().unwrap().clone();
                mischief(&request, &contents)
            };
            if answer.as_ref().is_some_and(|answer| answer.fault == Fault::Reset) {
                return;
            }
            let resets = answer.as_ref().is_some_and(|a| matches!(a.fault, Fault::ResetAfter(_)));
            if !resets {
                let _ = reader.read_exact(&mut [0]);
                request.body = vec![0; length.unwrap_or(0)];
                if reader.read_exact(&mut request.body).is_err() {
                    return;
                }
                if let Some(seen) = self.log.lock().unwrap().last_mut() {
                    seen.body.clone_from(&request.body);
                }
            }
            let answer = answer.unwrap_or_else(|| {
                well(&request, Arc::make_mut(&mut self.contents.lock().unwrap()))
            });
            if !write(&stream, &request, &answer) {
                return;
            }
        }
    }
}

/// A request's head, but for its last byte.
fn head(reader: &mut impl BufRead) -> Option<Request> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r") {
        let mut byte = [0];
        reader.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = text.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some(Request { method, target, headers, ..Request::default() })
}

/// Sends an answer; whether the connection is good for another.
fn write(stream: &TcpStream, request: &Request, answer: &Answer) -> bool {
    let mut stream = stream;
    if answer.fault == Fault::Garbage {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        return false;
    }
    let body = &answer.body;
    let length = match answer.fault {
        Fault::Lies(more) => body.len() as i64 + more,
        _ => body.len() as i64,
    };
    let mut head = format!("HTTP/1.1 {} Something\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let endless = answer.fault == Fault::Endless;
    if endless {
        head += "transfer-encoding: chunked\r\n";
    } else if !answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        head += &format!("content-length: {length}\r\n");
    }
    head += "\r\n";
    if stream.write_all(head.as_bytes()).is_err() || request.method == "HEAD" {
        return answer.fault == Fault::None;
    }
    let part = |length: usize| &body[..length.min(body.len())];
    match answer.fault {
        Fault::None => stream.write_all(body).is_ok(),
        Fault::Short(length) | Fault::ResetAfter(length) => {
            let _ = stream.write_all(part(length));
            // What is on its way should arrive before the end does.
            std::thread::sleep(Duration::from_millis(30));
            false
        }
        Fault::Lies(_) => {
            let _ = stream.write_all(body);
            false
        }
        Fault::Endless => {
            let piece = vec![b'x'; 4096];
            while stream.write_all(b"1000\r\n").is_ok()
                && stream.write_all(&piece).is_ok()
                && stream.write_all(b"\r\n").is_ok()
            {}
            false
        }
        Fault::Silent(length, time) => {
            let _ = stream.write_all(part(length));
            std::thread::sleep(time);
            false
        }
        Fault::Slow(pause) => body.chunks(1 + body.len() / 20).all(|piece| {
            std::thread::sleep(pause);
            stream.write_all(piece).is_ok()
        }),
        Fault::Reset | Fault::Garbage => false,
    }
}

/// What a registry answers that does as it should.
fn well(request: &Request, contents: &mut Contents) -> Answer {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let last = path.rsplit('/').next().unwrap_or_default();
    let not_found = |code: &str| {
        Answer::new(404, format!(r#"{{"errors":[{{"code":"{code}","message":"there is none"}}]}}"#))
    };
    match request.method.as_str() {
        "GET" | "HEAD" if path == "/v2/" => Answer::new(200, "{}"),
        "GET" | "HEAD" if path.contains("/manifests/") => match contents.documents.get(last) {
            Some((media_type, bytes)) => Answer::new(200, bytes.clone())
                .with("content-type", media_type)
                .with("docker-content-digest", Digest::of(bytes).to_string()),
            None => not_found("MANIFEST_UNKNOWN"),
        },
        "GET" if path.contains("/uploads/") => {
            let have = contents.uploads.get(last).map_or(0, Vec::len);
            Answer::new(204, "")
                .with("location", path)
                .with("range", format!("0-{}", have.saturating_sub(1)))
        }
        "GET" | "HEAD" if path.contains("/blobs/") => match contents.blobs.get(last) {
            Some(bytes) => part_of(bytes, request.start()),
            None => not_found("BLOB_UNKNOWN"),
        },
        "GET" if path.ends_with("/tags/list") => Answer::new(200, r#"{"tags":["a","b"]}"#),
        "POST" if path.ends_with("/uploads/") => {
            let mounted = query.split('&').find_map(|pair| pair.strip_prefix("mount="));
            let mounted = mounted.map(|digest| digest.replace("%3A", ":"));
            if mounted.is_some_and(|digest| contents.blobs.contains_key(&digest)) {
                return Answer::new(201, "");
            }
            let name = format!("u{}", contents.uploads.len());
            contents.uploads.insert(name.clone(), Vec::new());
            Answer::new(202, "").with("location", format!("{path}{name}"))
        }
        "PATCH" => {
            let upload = contents.uploads.get_mut(last).expect("it was begun");
            let range = request.header("content-range").unwrap_or("0-0");
            let start: usize = range.split('-').next().unwrap().parse().unwrap();
            if start != upload.len() {
                return Answer::new(416, "").with("location", path);
            }
            upload.extend(&request.body);
            Answer::new(202, "").with("location", path)
        }
        "PUT" if path.contains("/uploads/") => {
            let mut bytes = contents.uploads.remove(last).unwrap_or_default();
            bytes.extend(&request.body);
            let digest = contents.blob(&bytes);
            Answer::new(201, "").with("docker-content-digest", digest.to_string())
        }
        "PUT" if path.contains("/manifests/") => {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            let media_type = request.header("content-type").unwrap_or_default().to_owned();
            let digest = contents.document(last, &media_type, &text);
            Answer::new(201, "").with("docker-content-digest", digest.to_string())
        }
        "DELETE" => Answer::new(204, ""),
        _ => not_found("NAME_UNKNOWN"),
    }
}

/// The blob from there on, as servers that know ranges answer.
pub(crate) fn part_of(bytes: &[u8], start: Option<usize>) -> Answer {
    let all = bytes.len();
    match start {
        None => Answer::new(200, bytes),
        Some(start) if start >= all => Answer::new(416, ""),
        Some(start) => Answer::new(206, &bytes[start..])
            .with("content-range", format!("bytes {start}-{}/{all}", all - 1)),
    }
}
