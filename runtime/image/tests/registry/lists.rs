//! Lists in pages.

use image::digest::Digest;

use crate::fake::{Answer, Fake, OCI_INDEX};
use crate::open;

#[test]
fn all_pages_are_read() {
    let fake = Fake::new();
    fake.misbehave(|request, _| {
        let page = request.target.split("page=").nth(1).unwrap_or("0");
        let page: usize = page.parse().unwrap();
        let answer = Answer::new(200, format!(r#"{{"name":"x","tags":["t{page}","u{page}"]}}"#));
        let next = format!("</v2/x/tags/list?n=2&page={}>; rel=\"next\"", page + 1);
        Some(if page < 4 { answer.with("link", next) } else { answer })
    });
    let tags = open(&fake).tags("x", Some(2), usize::MAX).unwrap();
    assert_eq!((tags.len(), tags[9].as_str()), (10, "u4"));
    assert!(fake.lines()[0].ends_with("?n=2"), "{:?}", fake.lines());
    let some = open(&fake).tags("x", None, 3).unwrap();
    assert_eq!(some, ["t0", "u0", "t1"]);
}

#[test]
fn a_list_without_an_end_is_refused() {
    for next in [
        "</v2/x/tags/list>; rel=\"next\"",
        "<?n=1>; rel=next",
        "<http://127.0.0.2/x>; rel=\"next\"",
    ] {
        let fake = Fake::new();
        fake.misbehave(move |_, _| Some(Answer::new(200, r#"{"tags":["a"]}"#).with("link", next)));
        let error = open(&fake).tags("x", None, usize::MAX).unwrap_err().to_string();
        let named = error.contains("has no end") || error.contains("elsewhere");
        assert!(named && fake.lines().len() < 4, "{next}: {error}");
    }
}

#[test]
fn no_tags_may_be_null() {
    let fake = Fake::new();
    fake.misbehave(|_, _| Some(Answer::new(200, r#"{"name":"x","tags":null}"#)));
    assert!(open(&fake).tags("x", None, 10).unwrap().is_empty());
    fake.misbehave(|_, _| Some(Answer::new(200, "<html>")));
    let error = open(&fake).tags("x", None, 10).unwrap_err().to_string();
    assert!(error.contains("no list"), "{error}");
}

#[test]
fn referrers_are_found_by_question_or_by_tag() {
    let (fake, digest) = (Fake::new(), Digest::of(b"subject"));
    let registry = open(&fake);
    assert_eq!(registry.referrers("x", &digest).unwrap(), None);
    let tag = digest.to_string().replace(':', "-");
    fake.fill(|contents| contents.document(&tag, OCI_INDEX, "{\"by\":\"tag\"}"));
    assert_eq!(registry.referrers("x", &digest).unwrap().unwrap(), b"{\"by\":\"tag\"}");
    fake.misbehave(|request, _| {
        request.target.contains("/referrers/").then(|| Answer::new(200, "{\"by\":\"question\"}"))
    });
    assert_eq!(registry.referrers("x", &digest).unwrap().unwrap(), b"{\"by\":\"question\"}");
}
