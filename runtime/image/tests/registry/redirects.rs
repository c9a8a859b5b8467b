//! Where a request may be sent on to, and what goes along.

use std::io::Read;

use image::digest::Digest;
use image::registry::credentials::Credentials;
use image::registry::fetch::error_in;
use image::registry::{Error, Registry};

use crate::fake::{Answer, Fake};
use crate::{bytes, settings};

/// A registry that wants a password, and sends on whoever wants a blob and has shown it.
fn sends_on(status: u16, location: String) -> Fake {
    let fake = Fake::new();
    fake.misbehave(move |request, _| {
        if request.header("authorization").is_none() {
            return Some(Answer::new(401, "{}").with("www-authenticate", "Basic realm=\"r\""));
        }
        let on = Answer::new(status, "").with("location", location.clone());
        request.target.contains("/blobs/").then_some(on)
    });
    fake
}

fn read(fake: &Fake, digest: &Digest, urls: &[String]) -> Result<Vec<u8>, Error> {
    let me = Credentials::Password { user: "me".into(), password: "secret".into() };
    let registry = Registry::open_as(&fake.name(), Some(me), &settings())?;
    let mut all = Vec::new();
    registry.blob("x", digest, 1000, urls).read_to_end(&mut all).map_err(error_in)?;
    Ok(all)
}

#[test]
fn a_credential_goes_to_nobody_else() {
    let body = bytes(1000);
    for status in [301, 302, 303, 307, 308] {
        // Another host, and another port of the same one.
        for other in [Fake::at("127.0.0.2"), Fake::new()] {
            let digest = other.fill(|contents| contents.blob(&body));
            let target = format!("/v2/x/blobs/{digest}?signature=s");
            let fake = sends_on(status, other.url(&target));
            assert_eq!(read(&fake, &digest, &[]).unwrap(), body, "{status}");
            assert!(fake.saw_a_credential() && !other.saw_a_credential(), "{status}");
        }
    }
}

/// What was dropped on the way is not picked up again by coming back.
#[test]
fn a_credential_does_not_come_back() {
    let (fake, other) = (Fake::new(), Fake::at("127.0.0.2"));
    let digest = fake.fill(|contents| contents.blob(&bytes(1000)));
    let (there, back) = (other.url("/there"), fake.url(&format!("/back/blobs/{digest}")));
    other.misbehave(move |_, _| Some(Answer::new(307, "").with("location", back.clone())));
    fake.misbehave(move |request, _| {
        let known = request.header("authorization").is_some();
        match request.target.starts_with("/v2/") {
            true if known => Some(Answer::new(307, "").with("location", there.clone())),
            true => Some(Answer::new(401, "{}").with("www-authenticate", "Basic realm=\"r\"")),
            false => None,
        }
    });
    read(&fake, &digest, &[]).unwrap();
    let log = fake.log();
    let last = log.last().unwrap();
    assert!(last.target.starts_with("/back") && last.header("authorization").is_none());
}

#[test]
fn a_challenge_of_somebody_else_is_not_answered() {
    let evil = Fake::at("127.0.0.2");
    evil.misbehave(|_, _| {
        Some(Answer::new(401, "{}").with("www-authenticate", "Basic realm=\"give it to me\""))
    });
    let digest = Digest::of(b"x");
    let fake = sends_on(307, evil.url("/blob"));
    let error = read(&fake, &digest, &[]).unwrap_err().to_string();
    assert!(error.contains("401") && error.contains("127.0.0.2"), "{error}");
    assert!(!evil.saw_a_credential());
}

#[test]
fn what_leads_nowhere_good_is_refused() {
    let digest = Digest::of(b"x");
    for (location, says) in [
        ("http://u:p@127.0.0.2/x", "a name or password in it"),
        ("gopher://127.0.0.2/x", "not HTTP"),
        ("http://", "redirected to"),
        ("", "redirected to nowhere"),
    ] {
        let fake = sends_on(302, location.into());
        let error = read(&fake, &digest, &[]).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains("u:p"), "{location}: {error}");
    }
}

/// CVE-2020-15157: a manifest names a URL for a layer, and who is there asks for a password.
#[test]
fn a_layer_that_lies_elsewhere_is_fetched_by_nobody() {
    let (fake, evil, body) = (Fake::new(), Fake::at("127.0.0.2"), bytes(1000));
    let digest = evil.fill(|contents| contents.blob(&body));
    fake.misbehave(|request, _| match request.header("authorization") {
        None => Some(Answer::new(401, "{}").with("www-authenticate", "Basic realm=\"r\"")),
        Some(_) => None,
    });
    let url = evil.url(&format!("/v2/x/blobs/{digest}"));
    assert_eq!(read(&fake, &digest, std::slice::from_ref(&url)).unwrap(), body);
    evil.misbehave(|_, _| {
        Some(Answer::new(401, "{}").with("www-authenticate", "Basic realm=\"mine\""))
    });
    let error = read(&fake, &digest, &[url]).unwrap_err().to_string();
    assert!(error.contains("401"), "{error}");
    assert!(fake.saw_a_credential() && !evil.saw_a_credential());
}
