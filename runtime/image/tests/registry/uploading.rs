//! Blobs and documents on their way into a registry.

use std::io::{Cursor, Read};

use image::digest::Digest;
use image::registry::Result;
use image::registry::upload::{Outgoing, Uploaded};

use crate::fake::{Answer, Fake, Fault, OCI_MANIFEST};
use crate::{bytes, open};

const LENGTH: usize = 100_000;

fn upload(fake: &Fake, body: &[u8], piece: Option<u64>, from: Option<&str>) -> Result<Uploaded> {
    let digest = Digest::of(body);
    let open_at = |at: u64| -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(body[at as usize..].to_vec())))
    };
    let size = body.len() as u64;
    let blob = Outgoing { digest: &digest, size, open: &open_at, piece, from };
    open(fake).upload("x", &blob)
}

fn has(fake: &Fake, body: &[u8]) -> bool {
    fake.fill(|contents| contents.blobs.get(&Digest::of(body).to_string()) == Some(&body.to_vec()))
}

#[test]
fn a_blob_is_sent_whole_or_in_pieces_or_not_at_all() {
    let (fake, body) = (Fake::new(), bytes(LENGTH));
    assert_eq!(upload(&fake, &body, None, None).unwrap(), Uploaded::Sent);
    assert!(has(&fake, &body));
    let methods: Vec<String> = fake.log().iter().map(|seen| seen.method.clone()).collect();
    assert_eq!(methods, ["HEAD", "POST", "PUT"]);

    fake.forget();
    assert_eq!(upload(&fake, &body, None, None).unwrap(), Uploaded::WasThere);
    assert_eq!(fake.lines().len(), 1);

    let other = bytes(LENGTH + 1);
    fake.forget();
    assert_eq!(upload(&fake, &other, Some(40_000), None).unwrap(), Uploaded::Sent);
    assert!(has(&fake, &other));
    let ranges: Vec<String> = fake
        .log()
        .iter()
        .filter_map(|seen| seen.header("content-range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, ["0-39999", "40000-79999", "80000-100000"]);
}

#[test]
fn a_blob_is_taken_over_where_that_is_possible() {
    let (fake, body) = (Fake::new(), bytes(LENGTH));
    fake.fill(|contents| contents.blob(&body));
    // It is in the other repository, and not in this one.
    fake.misbehave(|request, _| request.is("HEAD", "/v2/x/blobs").then(|| Answer::new(404, "")));
    assert_eq!(upload(&fake, &body, None, Some("y/z")).unwrap(), Uploaded::Mounted);
    assert!(fake.lines()[1].contains("mount=sha256%3A") && fake.lines()[1].ends_with("from=y%2Fz"));
    // A registry that does not know how answers as if nothing had been said of it.
    let other = bytes(10);
    fake.behave();
    assert_eq!(upload(&fake, &other, None, Some("y/z")).unwrap(), Uploaded::Sent);
    assert!(has(&fake, &other));
}

#[test]
fn what_was_interrupted_is_gone_on_with_or_sent_again() {
    for (piece, method) in [(None, "PUT"), (Some(40_000), "PATCH"), (Some(40_000), "PUT")] {
        for status in [None, Some(503), Some(429), Some(500)] {
            let (fake, body) = (Fake::new(), bytes(LENGTH));
            fake.misbehave(move |request, _| {
                let first = request.method == method && request.before == 0;
                let answer = Answer::new(status.unwrap_or(200), "");
                (first && request.target.contains("/uploads/")).then(|| match status {
                    Some(_) => answer,
                    None => answer.and(Fault::Reset),
                })
            });
            let sent = upload(&fake, &body, piece, None);
            assert_eq!(sent.unwrap(), Uploaded::Sent, "{method} {status:?}");
            assert!(has(&fake, &body), "{method} {status:?}: {:?}", fake.lines());
        }
    }
}

#[test]
fn bytes_go_nowhere_but_to_the_registry_that_was_asked() {
    let (evil, body) = (Fake::at("127.0.0.2"), bytes(LENGTH));
    for location in [evil.url("/v2/x/blobs/uploads/1"), "http://u:p@HOST/x".into(), String::new()] {
        let fake = Fake::new();
        let location = location.replace("HOST", &fake.name());
        fake.misbehave(move |request, _| {
            let answer = Answer::new(202, "");
            (request.method == "POST").then(|| match location.is_empty() {
                true => answer,
                false => answer.with("location", location.clone()),
            })
        });
        let error = upload(&fake, &body, None, None).unwrap_err().to_string();
        assert!(error.contains("the bytes are to go"), "{error}");
        assert!(!error.contains("u:p"), "{error}");
    }
    assert!(evil.log().is_empty());
}

#[test]
fn a_registry_that_took_something_else_is_not_believed() {
    let (fake, body) = (Fake::new(), bytes(LENGTH));
    let other = Digest::of(b"other").to_string();
    fake.misbehave(move |request, _| {
        (request.method == "PUT")
            .then(|| Answer::new(201, "").with("docker-content-digest", other.clone()))
    });
    let error = upload(&fake, &body, None, None).unwrap_err().to_string();
    assert!(error.contains("has taken it for"), "{error}");
    let registry = open(&fake);
    let put = registry.put_document("x", "t", OCI_MANIFEST, b"{}", &Digest::of(b"{}"));
    assert!(put.unwrap_err().to_string().contains("has taken it for"));
}

#[test]
fn what_is_given_up_is_given_back() {
    let (fake, body) = (Fake::new(), bytes(LENGTH));
    fake.misbehave(|request, _| {
        let said = r#"{"errors":[{"code":"DENIED","message":"the disk is full"}]}"#;
        (request.method == "PUT").then(|| Answer::new(400, said))
    });
    let error = upload(&fake, &body, None, None).unwrap_err().to_string();
    assert!(error.contains("the disk is full"), "{error}");
    assert_eq!(fake.log().last().unwrap().method, "DELETE", "{:?}", fake.lines());
}

/// To take a blob over from another repository one must be allowed to read there.
#[test]
fn a_token_is_for_both_repositories_where_two_are_needed() {
    let (fake, body) = (Fake::new(), bytes(LENGTH));
    let realm = fake.url("/token");
    fake.misbehave(move |request, _| {
        if request.target.starts_with("/token") {
            return Some(Answer::new(200, r#"{"token":"t"}"#));
        }
        let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
        let known = request.header("authorization").is_some();
        (!known).then(|| Answer::new(401, "").with("www-authenticate", challenge))
    });
    assert_eq!(upload(&fake, &body, None, Some("y")).unwrap(), Uploaded::Sent);
    let tokens = fake.lines().into_iter().filter(|line| line.contains("/token"));
    let both = "service=s&scope=repository%3Ax%3Apull%2Cpush&scope=repository%3Ay%3Apull";
    assert!(tokens.clone().any(|line| line.ends_with(both)), "{:?}", tokens.collect::<Vec<_>>());
}
