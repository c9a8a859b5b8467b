//! Who is shown a credential, and who is not.

use image::registry::credentials::Credentials;
use image::registry::{Registry, Result};

use crate::fake::{Answer, Fake, Fault, OCI_MANIFEST, Request};
use crate::settings;

fn me() -> Option<Credentials> {
    Some(Credentials::Password { user: "me".into(), password: "secret".into() })
}

const BASIC: &str = "Basic bWU6c2VjcmV0";

/// A registry that wants tokens of `realm`, and one document in it.
fn wants_tokens(realm: String) -> Fake {
    let fake = Fake::new();
    fake.fill(|contents| contents.document("t", OCI_MANIFEST, "{}"));
    fake.misbehave(move |request, _| token_wanted(request, &realm));
    fake
}

fn token_wanted(request: &Request, realm: &str) -> Option<Answer> {
    if request.target.starts_with("/token") {
        let body = format!(r#"{{"token":"good-{}","expires_in":300}}"#, request.before);
        return Some(Answer::new(200, body));
    }
    let shown = request.header("authorization").unwrap_or_default();
    let challenge = format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:x:pull\"");
    let refused = Answer::new(401, r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#);
    (!shown.starts_with("Bearer good")).then(|| refused.with("www-authenticate", challenge))
}

fn ask(registry: &str, credentials: Option<Credentials>) -> Result<usize> {
    let registry = Registry::open_as(registry, credentials, &settings())?;
    registry.document("x", "t").map(|fetched| fetched.bytes.len())
}

#[test]
fn a_token_is_fetched_once_and_kept() {
    let fake = Fake::new();
    let realm = fake.url("/token");
    fake.fill(|contents| contents.document("t", OCI_MANIFEST, "{}"));
    fake.misbehave(move |request, _| token_wanted(request, &realm));
    for (credentials, shown) in [(None, None), (me(), Some(BASIC))] {
        fake.forget();
        let registry = Registry::open_as(&fake.name(), credentials, &settings()).unwrap();
        for _ in 0..3 {
            registry.document("x", "t").unwrap();
        }
        let lines = fake.lines();
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert!(lines[1].contains("service=s&scope=repository%3Ax%3Apull"), "{}", lines[1]);
        assert_eq!(fake.log()[1].header("authorization"), shown);
        assert_eq!(fake.log()[0].header("authorization"), None, "nothing is shown unasked");
    }
}

#[test]
fn an_identity_is_exchanged_and_not_shown_to_the_registry() {
    let fake = Fake::new();
    let realm = fake.url("/token");
    fake.fill(|contents| contents.document("t", OCI_MANIFEST, "{}"));
    fake.misbehave(move |request, _| token_wanted(request, &realm));
    ask(&fake.name(), Some(Credentials::Identity("refresh me".into()))).unwrap();
    let log = fake.log();
    assert_eq!(log[1].method, "POST");
    let body = String::from_utf8(log[1].body.clone()).unwrap();
    assert!(body.contains("grant_type=refresh_token") && body.contains("refresh_token=refresh+me"));
    assert!(!format!("{:?}", log[2].headers).contains("refresh"), "{:?}", log[2].headers);
}

#[test]
fn a_token_that_is_not_good_any_more_is_replaced_once() {
    let fake = Fake::new();
    let realm = fake.url("/token");
    fake.fill(|contents| contents.document("t", OCI_MANIFEST, "{}"));
    let at = realm.clone();
    fake.misbehave(move |request, _| token_wanted(request, &at));
    let registry = Registry::open(&fake.name(), &settings()).unwrap();
    registry.document("x", "t").unwrap();
    // From now on the first token is refused, and the second is good.
    fake.misbehave(move |request, _| {
        let first = request.header("authorization") == Some("Bearer good-0");
        let mut asked = request.clone();
        if first {
            asked.headers.clear();
        }
        token_wanted(&asked, &realm)
    });
    registry.document("x", "t").unwrap();
    let tokens = fake.lines().iter().filter(|line| line.contains("/token")).count();
    assert_eq!(tokens, 2, "{:?}", fake.lines());
}

#[test]
fn who_is_never_content_is_not_asked_for_ever() {
    for challenge in ["Bearer realm=\"REALM\",service=\"s\"", "Basic realm=\"here\""] {
        let fake = Fake::new();
        let challenge = challenge.replace("REALM", &fake.url("/token"));
        fake.misbehave(move |request, _| match request.target.starts_with("/token") {
            true => Some(Answer::new(200, r#"{"access_token":"t"}"#)),
            false => Some(Answer::new(401, "{}").with("www-authenticate", challenge.clone())),
        });
        let error = ask(&fake.name(), me()).unwrap_err().to_string();
        assert!(error.contains("401") && error.contains("password of \"me\""), "{error}");
        assert!(!error.contains("secret") && fake.lines().len() <= 3, "{error} {:?}", fake.lines());
    }
}

#[test]
fn a_realm_elsewhere_is_refused_by_name() {
    let evil = Fake::at("127.0.0.2");
    let fake = wants_tokens(evil.url("/token"));
    for credentials in [me(), Some(Credentials::Identity("i".into())), None] {
        let error = ask(&fake.name(), credentials).unwrap_err().to_string();
        assert!(error.contains("realm 127.0.0.2") && error.contains("registries.json"), "{error}");
    }
    assert!(evil.log().is_empty(), "{:?}", evil.lines());

    // Somebody said that it is right.
    evil.misbehave(|_, _| Some(Answer::new(200, r#"{"token":"good"}"#)));
    let mut settings = settings();
    settings.hosts.entry(&fake.name()).realms = vec!["127.0.0.2".into()];
    let registry = Registry::open_as(&fake.name(), me(), &settings).unwrap();
    registry.document("x", "t").unwrap();
    assert_eq!(evil.log()[0].header("authorization"), Some(BASIC));
}

#[test]
fn a_realm_that_makes_no_sense_is_refused() {
    for realm in ["", "token", "ftp://127.0.0.1/token", "http://u:p@127.0.0.1/token", "http://[::1"]
    {
        let fake = wants_tokens(realm.into());
        assert!(ask(&fake.name(), me()).is_err(), "{realm}");
    }
}

#[test]
fn what_should_be_a_token_and_is_not_is_refused() {
    for (answer, says) in [
        (Answer::new(200, "{}"), "no token"),
        (Answer::new(200, "<html>"), "not: expected"),
        (Answer::new(200, "[".repeat(100_000)), "not: "),
        (Answer::new(200, r#"{"token":"a\nb"}"#), "cannot be sent"),
        (Answer::new(200, "").and(Fault::Endless), "larger than 1048576"),
        (Answer::new(401, "{}"), "password of \"me\""),
        (Answer::new(200, "").and(Fault::Reset), "ECONNRESET"),
    ] {
        let fake = Fake::new();
        let realm = fake.url("/token");
        let given = answer.clone();
        fake.misbehave(move |request, _| match request.target.starts_with("/token") {
            true => Some(given.clone()),
            false => token_wanted(request, &realm),
        });
        let error = ask(&fake.name(), me()).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
}
