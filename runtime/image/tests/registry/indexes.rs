//! Images for several platforms, and what is said while they move.

use std::path::Path;
use std::process::{Command, Output};

use image::digest::Digest;
use image::model::Platform;

use crate::fake::{Answer, Fake, Fault, OCI_INDEX, OCI_MANIFEST};
use crate::images::{put_image, put_image_for, put_index, tar};
use crate::pulling::clean;

fn image(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_image"));
    command.arg("--root").arg(root).args(arguments).output().unwrap()
}

fn good(root: &Path, arguments: &[&str]) -> String {
    let said = image(root, arguments);
    assert!(said.status.success(), "{arguments:?}: {said:?}");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// This machine's platform, as it is written.
fn here() -> String {
    let Platform { os, architecture, .. } = Platform::here();
    format!("{os}/{architecture}")
}

/// An index of an image for this machine and one for another.
fn two_platforms(fake: &Fake) -> (Digest, Digest, Digest) {
    fake.fill(|contents| {
        let ours = put_image(contents, "ours", &[tar("ours", b"1"), tar("both", b"2")]);
        let other: Platform = "linux/mips64le".parse().unwrap();
        let layers = [tar("theirs", b"3"), tar("both", b"2")];
        let theirs = put_image_for(other, contents, "theirs", &layers);
        let here = here();
        let both = [("linux/mips64le", theirs.clone()), (here.as_str(), ours.clone())];
        (put_index(contents, "t", &both), ours, theirs)
    })
}

#[test]
fn of_an_index_the_one_that_runs_here_is_pulled() {
    let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
    let (index, _, theirs) = two_platforms(&fake);
    let name = format!("{}/x:t", fake.name());
    assert!(good(root.path(), &["pull", "-q", &name]).ends_with(&index.to_string()));
    assert!(!fake.lines().iter().any(|line| line.contains(theirs.hex())), "{:?}", fake.lines());
    clean(root.path(), "one");
    fake.forget();
    good(root.path(), &["pull", "-q", &name]);
    assert_eq!(fake.lines(), ["HEAD /v2/x/manifests/t"]);

    // For another platform what is missing is fetched, and no more.
    fake.forget();
    good(root.path(), &["pull", "-q", "--platform", "linux/mips64le", &name]);
    let lines = fake.lines();
    assert!(lines.iter().any(|line| line.contains(theirs.hex())), "{lines:?}");
    let none = image(root.path(), &["pull", "--platform", "plan9/amd64", &name]);
    let errors = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(errors.contains("no image for plan9/amd64") && errors.contains("mips64le"), "{errors}");
    clean(root.path(), "both");
}

/// Of an index of which one image is here, that one is pushed; all of it if all is here.
#[test]
fn an_index_is_pushed_whole_or_not_at_all() {
    let (fake, other, root) = (Fake::new(), Fake::new(), tempfile::tempdir().unwrap());
    let (index, ours, theirs) = two_platforms(&fake);
    let (from, to) = (format!("{}/x:t", fake.name()), format!("{}/y:u", other.name()));
    good(root.path(), &["pull", "-q", &from]);
    assert!(good(root.path(), &["push", "-q", &from, &to]).ends_with(&ours.to_string()));
    let all = image(root.path(), &["push", "-q", "--all-platforms", &from, &to]);
    let errors = String::from_utf8_lossy(&all.stderr).into_owned();
    assert!(errors.contains("linux/mips64le") && errors.contains("--all-platforms"), "{errors}");

    good(root.path(), &["pull", "-q", "--all-platforms", &from]);
    assert!(good(root.path(), &["push", "-q", &from, &to]).ends_with(&index.to_string()));
    let has = |wanted: &str| other.fill(|contents| contents.documents.contains_key(wanted));
    assert!(has(&theirs.to_string()) && has("u"));
    let order = other.lines().into_iter().filter(|line| line.starts_with("PUT /v2/y/manifests/"));
    let order: Vec<String> = order.skip(1).collect();
    assert_eq!(order.last().map(String::as_str), Some("PUT /v2/y/manifests/u"), "{order:?}");

    // From registry to registry without a store, all of it or one.
    let copied = format!("{}/z:v", other.name());
    assert!(good(root.path(), &["copy", "-q", &from, &copied]).ends_with(&index.to_string()));
    let one = ["copy", "-q", "--platform", "linux/mips64le", &from, &copied];
    assert!(good(root.path(), &one).ends_with(&theirs.to_string()));
    clean(root.path(), "pushed");
}

#[test]
fn indexes_in_each_other_have_an_end() {
    let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
    let here = here();
    fake.fill(|contents| {
        let mut inner = put_image(contents, "0", &[tar("a", b"1")]);
        for depth in 1..8 {
            inner = put_index(contents, &depth.to_string(), &[(&here, inner)]);
        }
        assert_eq!(contents.documents["7"].0, OCI_INDEX);
    });
    let pull = |tag: &str| image(root.path(), &["pull", "-q", &format!("{}/x:{tag}", fake.name())]);
    assert!(pull("2").status.success());
    let errors = String::from_utf8_lossy(&pull("7").stderr).into_owned();
    assert!(errors.contains("indexes in each other"), "{errors}");
}

#[test]
fn who_waits_is_told_in_words_or_in_json_or_not_at_all() {
    let fake = Fake::new();
    fake.fill(|contents| put_image(contents, "t", &[tar("a", b"1"), tar("b", b"2")]));
    let name = format!("{}/x:t", fake.name());
    let said = |flags: &[&str]| {
        let root = tempfile::tempdir().unwrap();
        let said = image(root.path(), &[&["pull", &name], flags].concat());
        let out = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(out.lines().count(), 1, "the result alone is on standard output: {out}");
        String::from_utf8_lossy(&said.stderr).into_owned()
    };
    let words = said(&[]);
    assert_eq!(words.matches(": done\n").count(), 2, "{words}");
    assert_eq!(said(&["--quiet"]), "");
    let lines = said(&["--format", "json"]);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done = lines.iter().filter(|line| line["is"] == "done");
    assert_eq!(done.count(), 2, "{lines:?}");
}

/// A registry that does not answer who has a subject gets a list of those by whoever pushes.
#[test]
fn what_is_about_an_image_is_found() {
    for lists_itself in [false, true] {
        let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
        let (subject, about) = fake.fill(|contents| {
            let subject = put_image(contents, "t", &[tar("a", b"1")]);
            let (media_type, bytes) = contents.documents["t"].clone();
            let about = String::from_utf8(bytes.clone()).unwrap().replace(
                r#""config""#,
                &format!(
                    r#""artifactType":"text/x-opinion","annotations":{{"n":"1"}},"subject":{{"mediaType":"{media_type}","digest":"{subject}","size":{}}},"config""#,
                    bytes.len()
                ),
            );
            (subject, contents.document("about", OCI_MANIFEST, &about))
        });
        let other = Fake::new();
        if lists_itself {
            other.misbehave(|request, _| {
                let answer = Answer::new(201, "").with("oci-subject", "yes");
                request.is("PUT", "/manifests/").then_some(answer)
            });
        }
        let (from, to) = (format!("{}/x:about", fake.name()), format!("{}/y:about", other.name()));
        for _ in 0..2 {
            good(root.path(), &["copy", "-q", &from, &to]);
        }
        let tag = format!("PUT /v2/y/manifests/{}", subject.to_string().replace(':', "-"));
        let kept = other.lines().iter().filter(|line| **line == tag).count();
        assert_eq!(kept, usize::from(!lists_itself), "{:?}", other.lines());
        if !lists_itself {
            let name = format!("{}/y@{subject}", other.name());
            let found = good(root.path(), &["referrers", &name]);
            assert!(found.contains(about.hex()) && found.contains("x-opinion"), "{found}");
        }
    }
}

/// A registry that hangs up while bytes are sent does not end the program (SIGPIPE), but is asked again.
#[test]
fn who_hangs_up_in_the_middle_is_asked_again() {
    let (fake, other, root) = (Fake::new(), Fake::new(), tempfile::tempdir().unwrap());
    let large = tar("large", &crate::bytes(6_000_000));
    fake.fill(|contents| put_image(contents, "t", std::slice::from_ref(&large)));
    other.misbehave(|request, _| {
        let first = request.method == "PUT" && request.before == 0;
        let large = request.header("content-length").is_some_and(|length| length.len() > 6);
        (first && large).then(|| Answer::new(200, "").and(Fault::Reset))
    });
    let (from, to) = (format!("{}/x:t", fake.name()), format!("{}/y:t", other.name()));
    good(root.path(), &["copy", "-q", &from, &to]);
    let puts = other.log().into_iter().filter(|request| request.method == "PUT");
    assert_eq!(puts.filter(|request| request.target.contains("/uploads/")).count(), 3);
    let digest = Digest::of(&large).to_string();
    assert!(other.fill(|contents| contents.blobs.contains_key(&digest)));
}
