//! Blobs and documents through all that can go wrong with one answer.

use std::io::Read;
use std::time::{Duration, Instant};

use image::digest::Digest;
use image::registry::fetch::error_in;
use image::registry::{Error, Registry};

use crate::fake::{Answer, Fake, Fault, OCI_INDEX, OCI_MANIFEST, Request, part_of};
use crate::{bytes, impatient, open, settings};

const LENGTH: usize = 300_000;

/// Reads a blob, as whoever stores it does: what came is verified.
fn read(registry: &Registry, digest: &Digest, size: u64) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    registry.blob("x", digest, size, &[]).read_to_end(&mut all).map_err(error_in)?;
    match Digest::of(&all) == *digest {
        true => Ok(all),
        false => Err(Error::Unusable("it has another digest".into())),
    }
}

fn in_a_hurry(fake: &Fake) -> Registry {
    Registry::open(&fake.name(), &impatient()).unwrap()
}

fn is_blob(request: &Request) -> bool {
    request.is("GET", "/blobs/")
}

/// The answer that is due, with a fault.
fn faulty(request: &Request, body: &[u8], fault: Fault) -> Answer {
    part_of(body, request.start()).and(fault)
}

/// What no client of 2026 does in all rows (PEERS.md, 8.2): each passes in the end, and waits where it is
/// asked to.
#[test]
fn what_passes_is_waited_out() {
    type Row = (&'static str, fn(&Request, &[u8]) -> Option<Answer>);
    let rows: &[Row] = &[
        ("one 429 with Retry-After", |request, _| {
            let answer = Answer::new(429, "{}").with("retry-after", "1");
            (request.before == 0).then_some(answer)
        }),
        ("429 without a word, twice", |request, _| {
            (request.before < 2).then(|| Answer::new(429, ""))
        }),
        ("one 503", |request, _| (request.before == 0).then(|| Answer::new(503, "busy"))),
        ("one 500", |request, _| (request.before == 0).then(|| Answer::new(500, "oops"))),
        ("one 502 and one 504", |request, _| {
            (request.before < 2).then(|| Answer::new(502 + 2 * request.before as u16, ""))
        }),
        ("reset before the answer", |request, _| {
            (request.before == 0).then(|| Answer::new(200, "").and(Fault::Reset))
        }),
        ("cut half-way", |request, body| {
            (request.before == 0).then(|| faulty(request, body, Fault::Short(LENGTH / 2)))
        }),
        ("reset half-way", |request, body| {
            (request.before == 0).then(|| faulty(request, body, Fault::ResetAfter(LENGTH / 2)))
        }),
        ("cut thirty times", |request, body| {
            (request.before < 30).then(|| faulty(request, body, Fault::Short(LENGTH / 50)))
        }),
        ("silent half-way", |request, body| {
            let silent = Fault::Silent(LENGTH / 2, Duration::from_secs(2));
            (request.before == 0).then(|| faulty(request, body, silent))
        }),
        ("slow", |request, body| {
            Some(faulty(request, body, Fault::Slow(Duration::from_millis(20))))
        }),
        ("more is announced than comes", |request, body| {
            // The length is right, what comes is not all: as a proxy does that loses its own server.
            (request.before == 0).then(|| faulty(request, &body[..LENGTH - 9], Fault::Lies(9)))
        }),
        ("cut, by one that knows no ranges", |request, body| match request.before {
            0 => Some(Answer::new(200, body).and(Fault::Short(LENGTH / 2))),
            _ => Some(Answer::new(200, body)),
        }),
    ];
    let body = bytes(LENGTH);
    for (name, mischief) in rows {
        let fake = Fake::new();
        let digest = fake.fill(|contents| contents.blob(&body));
        let (mischief, whole) = (*mischief, body.clone());
        fake.misbehave(
            move |request, _| {
                if is_blob(request) { mischief(request, &whole) } else { None }
            },
        );
        let begun = Instant::now();
        let registry = if name.contains("silent") { in_a_hurry(&fake) } else { open(&fake) };
        let came = read(&registry, &digest, LENGTH as u64);
        assert!(came.as_ref().is_ok_and(|came| *came == body), "{name}: {:?}", came.err());
        if name.contains("Retry-After") {
            assert!(begun.elapsed() >= Duration::from_secs(1), "{name}: it did not wait");
        }
        if name.contains("half-way") {
            let resumed = fake.log().iter().any(|request| request.start() == Some(LENGTH / 2));
            assert!(resumed, "{name}: {:?}", fake.lines());
        }
    }
}

/// What does not pass is an error that says what is wrong; and it is gone when the registry behaves.
#[test]
fn what_does_not_pass_is_named() {
    type Row = (&'static str, &'static str, fn(&Request, &[u8]) -> Option<Answer>);
    let rows: &[Row] = &[
        ("404", "404 Not Found", |_, _| Some(Answer::new(404, "{}"))),
        ("403", "nothing is known here of who you are", |_, _| Some(Answer::new(403, "{}"))),
        ("401 without a challenge", "neither Bearer nor Basic", |_, _| {
            Some(Answer::new(401, "{}"))
        }),
        ("429 always", "429 Too Many", |_, _| Some(Answer::new(429, ""))),
        ("429 for an hour", "3600 seconds", |_, _| {
            Some(Answer::new(429, "").with("retry-after", "3600"))
        }),
        ("500 always", "a bad day", |_, _| {
            let said = r#"{"errors":[{"code":"UNKNOWN","message":"a bad day\u001b[2J"}]}"#;
            Some(Answer::new(500, said))
        }),
        ("reset always", "ECONNRESET", |_, _| Some(Answer::new(200, "").and(Fault::Reset))),
        ("cut at once, always", "broke off", |_, body| {
            Some(Answer::new(200, body).and(Fault::Short(0)))
        }),
        ("silent always", "ETIMEDOUT", |_, body| {
            Some(Answer::new(200, body).and(Fault::Silent(0, Duration::from_secs(1))))
        }),
        ("not HTTP", "EPROTO", |_, _| Some(Answer::new(200, "").and(Fault::Garbage))),
        ("one byte too many", "should have 300000", |_, body| {
            Some(Answer::new(200, [body, b"x"].concat()))
        }),
        ("one byte too few", "should have 300000", |_, body| Some(Answer::new(200, &body[1..]))),
        ("one byte too few, in a cut", "broke off", |request, body| match request.start() {
            None => Some(Answer::new(200, &body[..LENGTH - 1]).and(Fault::Lies(1))),
            Some(_) => Some(
                Answer::new(206, "")
                    .with("content-range", "bytes 299999-299999/300000")
                    .and(Fault::Lies(1)),
            ),
        }),
        ("endless", "more comes than", |_, _| Some(Answer::new(200, "").and(Fault::Endless))),
        ("a flipped bit", "another digest", |_, body| {
            let mut body = body.to_vec();
            body[1000] ^= 1;
            Some(Answer::new(200, body))
        }),
        ("another part than was asked for", "the part begins at byte 7", |request, body| {
            match request.start() {
                None => Some(Answer::new(200, body).and(Fault::Short(100))),
                Some(_) => Some(
                    Answer::new(206, &body[7..]).with("content-range", "bytes 7-299999/300000"),
                ),
            }
        }),
        ("a part of something else", "not of 300000 bytes", |request, body| {
            match request.start() {
                None => Some(Answer::new(200, body).and(Fault::Short(100))),
                Some(start) => Some(
                    Answer::new(206, &body[start..])
                        .with("content-range", format!("bytes {start}-299999/300001")),
                ),
            }
        }),
        ("a part of nobody knows what", "nobody knows which", |request, body| {
            match request.start() {
                None => Some(Answer::new(200, body).and(Fault::Short(100))),
                Some(start) => Some(Answer::new(206, &body[start..])),
            }
        }),
        ("416 after a cut", "has no byte 100", |request, body| match request.start() {
            None => Some(Answer::new(200, body).and(Fault::Short(100))),
            Some(_) => Some(Answer::new(416, "")),
        }),
        ("redirects in a circle", "redirected 10 times", |request, _| {
            Some(Answer::new(307, "").with("location", request.target.clone()))
        }),
        ("redirected to a file", "which is not HTTP", |_, _| {
            Some(Answer::new(302, "").with("location", "file:///etc/passwd"))
        }),
    ];
    let body = bytes(LENGTH);
    for (name, says, mischief) in rows {
        let fake = Fake::new();
        let digest = fake.fill(|contents| contents.blob(&body));
        let (mischief, whole) = (*mischief, body.clone());
        fake.misbehave(
            move |request, _| {
                if is_blob(request) { mischief(request, &whole) } else { None }
            },
        );
        let registry = if name.contains("silent") { in_a_hurry(&fake) } else { open(&fake) };
        let error = read(&registry, &digest, LENGTH as u64).expect_err(name).to_string();
        assert!(error.contains(says), "{name}: {error}, not: {says}");
        assert!(!error.contains('\u{1b}'), "{name}: {error:?}");
        fake.behave();
        let came = read(&registry, &digest, LENGTH as u64);
        assert!(came.as_ref().is_ok_and(|came| *came == body), "{name}: {:?}", came.err());
    }
}

#[test]
fn nobody_there_is_said_at_once() {
    let name = {
        let fake = Fake::new();
        fake.name()
    };
    // The port was free a moment ago, and nobody listens there now.
    let registry = Registry::open(&name, &settings()).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let error = registry.head("x", "latest").unwrap_err().to_string();
    assert!(error.contains("ECONNREFUSED") && error.contains("nobody listens"), "{error}");
    let nowhere = Registry::open("no-such-host.invalid", &settings()).unwrap();
    let error = nowhere.head("x", "latest").unwrap_err().to_string();
    assert!(error.contains("EHOSTUNREACH"), "{error}");
}

#[test]
fn a_document_is_the_one_that_was_asked_for_or_an_error() {
    let fake = Fake::new();
    let (one, other) = fake.fill(|contents| {
        let one = contents.document("one", OCI_MANIFEST, "{\"one\":1}");
        (one, contents.document("other", OCI_INDEX, "{\"other\":2}"))
    });
    let registry = open(&fake);
    let fetched = registry.document("x", "one").unwrap();
    assert_eq!((fetched.digest.clone(), fetched.media_type.as_str()), (one.clone(), OCI_MANIFEST));
    assert_eq!(registry.head("x", "one").unwrap(), Some(one.clone()));

    // Another document under this digest, whatever the header says.
    let lie = one.clone();
    fake.misbehave(move |request, contents| {
        let (media_type, bytes) = contents.documents.get("other")?;
        request.is("GET", "/manifests/").then(|| {
            Answer::new(200, bytes.clone())
                .with("content-type", media_type)
                .with("docker-content-digest", lie.to_string())
        })
    });
    let error = registry.document("x", &one.to_string()).unwrap_err().to_string();
    assert!(error.contains("another document") && error.contains(other.hex()), "{error}");
    // By tag nobody asked for a digest, but what the server says of its answer is not true.
    let error = registry.document("x", "one").unwrap_err().to_string();
    assert!(error.contains("the registry says"), "{error}");
}

#[test]
fn a_document_is_not_larger_than_one_can_be() {
    let fake = Fake::new();
    let registry = open(&fake);
    let most = 4 << 20;
    for (size, fits) in [(most, true), (most + 1, false)] {
        let digest = fake.fill(|contents| contents.document("t", OCI_MANIFEST, &"x".repeat(size)));
        let fetched = registry.document("x", &digest.to_string());
        assert_eq!(fetched.is_ok(), fits, "{size}: {:?}", fetched.err());
    }
    fake.misbehave(|_, _| Some(Answer::new(200, "").and(Fault::Endless)));
    let error = registry.document("x", "t").unwrap_err().to_string();
    assert!(error.contains("larger than 4194304 bytes"), "{error}");
    fake.misbehave(|_, _| Some(Answer::new(418, "").and(Fault::Endless)));
    let error = registry.document("x", "t").unwrap_err().to_string();
    assert!(error.len() < 2000, "{}", error.len());
}

/// A registry or test double that folds headers of one name into one sees the first or last only.
#[test]
fn each_kind_of_document_is_asked_for_on_a_line_of_its_own() {
    let fake = Fake::new();
    fake.fill(|contents| contents.document("t", OCI_MANIFEST, "{}"));
    open(&fake).document("x", "t").unwrap();
    let log = fake.log();
    let accepts = log[0].headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("accept"));
    let accepts: Vec<&str> = accepts.map(|(_, value)| value.as_str()).collect();
    assert_eq!(accepts.len(), 4, "{accepts:?}");
    assert!(accepts.contains(&OCI_INDEX) && !accepts.iter().any(|accept| accept.contains(',')));
}

#[test]
fn a_blob_that_was_begun_is_gone_on_with() {
    let (fake, body) = (Fake::new(), bytes(LENGTH));
    let digest = fake.fill(|contents| contents.blob(&body));
    let registry = open(&fake);
    for at in [1, 1000, LENGTH - 1, LENGTH] {
        let mut rest = Vec::new();
        let mut blob = registry.blob("x", &digest, LENGTH as u64, &[]).from(at as u64);
        blob.read_to_end(&mut rest).unwrap();
        assert!(rest == body[at..], "from {at}: {} bytes", rest.len());
    }
    assert_eq!(fake.lines().len(), 3, "for what is complete nobody is asked: {:?}", fake.lines());
}

#[test]
fn a_mirror_is_asked_first_and_passed_over_when_it_does_not_help() {
    let (mirror, origin, body) = (Fake::new(), Fake::at("127.0.0.2"), bytes(1000));
    let digest = origin.fill(|contents| contents.blob(&body));
    mirror.fill(|contents| contents.blob(&body));
    let mut settings = settings();
    settings.hosts.entry(&origin.name()).mirrors = vec![mirror.name()];
    let registry = Registry::open(&origin.name(), &settings).unwrap();
    assert_eq!(read(&registry, &digest, 1000).unwrap(), body);
    assert_eq!((mirror.lines().len(), origin.lines().len()), (1, 0));
    for status in [404, 500, 429] {
        mirror.misbehave(move |_, _| Some(Answer::new(status, "")));
        origin.forget();
        assert_eq!(read(&registry, &digest, 1000).unwrap(), body);
        assert_eq!(origin.lines().len(), 1, "{status}");
    }
}
