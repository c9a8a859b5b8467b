//! CVE-2021-41190 and its family, as a table; and which image is chosen.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

use super::{Document, MOST_OF_A_DOCUMENT};
use crate::model::{MediaType, Platform, Refused};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKERS: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn descriptor(more: &str) -> String {
    format!(r#"{{"mediaType":"x/y","digest":"sha256:{}","size":2{more}}}"#, "0".repeat(64))
}

/// A document with these fields after its version.
fn document(fields: &str) -> String {
    let one = descriptor("");
    format!(r#"{{"schemaVersion":2,{}}}"#, fields.replace("ONE", &one))
}

fn says(kind: &str) -> String {
    format!(r#""mediaType":"{kind}","#)
}

const AS_MANIFEST: &str = r#""config":ONE,"layers":[ONE]"#;
const AS_INDEX: &str = r#""manifests":[ONE]"#;

fn read(text: &str, claimed: &str) -> Result<Document, Refused> {
    Document::read(text.as_bytes(), &MediaType::from(claimed.to_string()))
}

#[test]
fn one_document_is_one_thing() {
    let both = format!("{AS_MANIFEST},{AS_INDEX}");
    let manifest = document(AS_MANIFEST);
    // What it says, what was claimed, and whether it is taken: an index, a manifest, not at all.
    let table: [(&str, String, &str, Option<bool>); 22] = [
        ("claim and body agree", document(&(says(MANIFEST) + AS_MANIFEST)), MANIFEST, Some(false)),
        ("the same for an index", document(&(says(INDEX) + AS_INDEX)), INDEX, Some(true)),
        ("Docker's manifest", document(&(says(DOCKERS) + AS_MANIFEST)), DOCKERS, Some(false)),
        ("Docker's list", document(&(says(LIST) + AS_INDEX)), LIST, Some(true)),
        ("OCI's, which is silent", manifest.clone(), MANIFEST, Some(false)),
        ("OCI's index, which is silent", document(AS_INDEX), INDEX, Some(true)),
        ("Docker's, which is silent", manifest.clone(), DOCKERS, None),
        ("both", document(&both), MANIFEST, None),
        ("both, as an index", document(&both), INDEX, None),
        ("both, and it says which", document(&(says(MANIFEST) + &both)), MANIFEST, None),
        ("claimed an index", document(&(says(MANIFEST) + AS_MANIFEST)), INDEX, None),
        ("claimed a manifest", document(&(says(INDEX) + AS_INDEX)), MANIFEST, None),
        ("claimed Docker's", document(&(says(MANIFEST) + AS_MANIFEST)), DOCKERS, None),
        ("an index inside, silent", document(AS_INDEX), MANIFEST, None),
        ("a wrong Content-Type", document(&(says(INDEX) + AS_INDEX)), "text/plain", Some(true)),
        ("no Content-Type, silent", manifest.clone(), "", Some(false)),
        ("says that it is a layer", document(&(says("a/b") + AS_MANIFEST)), "", None),
        ("a configuration", manifest, "application/vnd.oci.image.config.v1+json", None),
        ("two kinds of letters", document(r#""manifests":[ONE],"Layers":[ONE]"#), INDEX, None),
        ("its own words in capitals", document(r#""Manifests":[ONE]"#), INDEX, None),
        ("said twice", document(r#""manifests":[],"manifests":[ONE]"#), INDEX, None),
        (
            "with parts of schema 1",
            document(&format!(r#"{AS_MANIFEST},"fsLayers":[]"#)),
            MANIFEST,
            None,
        ),
    ];
    for (about, text, claimed, taken) in table {
        let result = read(&text, claimed);
        let is = result.as_ref().ok().map(|document| matches!(document, Document::Index(_)));
        assert_eq!(is, taken, "{about}: {text} under {claimed:?} gave {result:?}");
    }
}

#[test]
fn schema_1_is_refused_by_name() {
    let old = r#"{"schemaVersion":1,"name":"a","fsLayers":[],"history":[],"signatures":[]}"#;
    let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    for (text, claimed) in [(old, signed), (old, ""), (document(AS_MANIFEST).as_str(), signed)] {
        let error = read(text, claimed).unwrap_err().to_string();
        assert!(error.contains("schema 1"), "{error}");
    }
    assert!(read(r#"{"schemaVersion":3,"manifests":[]}"#, INDEX).is_err());
    assert!(read(r#"{"manifests":[]}"#, INDEX).is_err());
}

#[test]
fn what_is_read_has_a_bound() {
    let short = document(AS_MANIFEST);
    let room = usize::try_from(MOST_OF_A_DOCUMENT).unwrap() - short.len();
    let full = format!("{short}{}", " ".repeat(room));
    assert!(read(&full, MANIFEST).is_ok());
    assert!(matches!(read(&format!("{full} "), MANIFEST), Err(Refused::TooLarge { .. })));
    let nested = format!(r#"{{"schemaVersion":2,"x":{}"#, "[".repeat(1_000_000));
    assert!(matches!(read(&nested, MANIFEST), Err(Refused::Unreadable { .. })));
}

fn index(platforms: &[&str]) -> Document {
    let one = |platform: &&str| match platform.split_once('/') {
        None => descriptor(""),
        Some((os, rest)) => {
            let (architecture, variant) = rest.split_once('/').unwrap_or((rest, ""));
            descriptor(&format!(
                r#","platform":{{"os":"{os}","architecture":"{architecture}","variant":"{variant}"}}"#
            ))
        }
    };
    let all: Vec<String> = platforms.iter().map(one).collect();
    read(&document(&format!(r#""manifests":[{}]"#, all.join(","))), INDEX).unwrap()
}

fn chosen(platforms: &[&str], wanted: &str) -> Result<usize, String> {
    let Document::Index(index) = index(platforms) else { panic!("this is an index") };
    let wanted: Platform = wanted.parse().unwrap();
    match index.choose(&wanted) {
        Ok(best) => Ok(index.manifests.iter().position(|one| std::ptr::eq(one, best)).unwrap()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn the_best_image_is_chosen() {
    let all = ["linux/arm/v6", "linux/arm/v7", "linux/amd64", "linux/amd64/v3", "linux/arm64/v8"];
    for (wanted, best) in
        [("linux/amd64", 2), ("linux/amd64/v4", 3), ("linux/amd64/v2", 2), ("arm64", 4), ("arm", 1)]
    {
        assert_eq!(chosen(&all, wanted), Ok(best), "{wanted}");
    }
    assert_eq!(chosen(&["linux/arm/v5", "linux/arm/v6"], "linux/arm/v7"), Ok(1));
    assert_eq!(chosen(&["silent"], "linux/amd64"), Ok(0));
    assert_eq!(chosen(&["linux/amd64", "linux/amd64"], "linux/amd64"), Ok(0));
    let error = chosen(&all, "linux/s390x").unwrap_err();
    assert!(error.contains("linux/s390x") && error.contains("linux/arm64/v8"), "{error}");
    assert!(chosen(&[], "linux/amd64").unwrap_err().contains("none at all"));
}

#[test]
fn a_statement_about_an_image_is_not_chosen() {
    let note = r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#;
    let text = document(&format!(r#""manifests":[{},{}]"#, descriptor(note), descriptor("")));
    let Ok(Document::Index(index)) = read(&text, INDEX) else { panic!("{text} is an index") };
    assert!(!index.choose(&Platform::here()).unwrap().is_attestation());
}

/// Small pieces of documents, in any order and number.
fn pieces() -> impl Strategy<Value = String> {
    let words = prop_oneof![
        Just(r#""schemaVersion":2"#.to_string()),
        Just(says(MANIFEST).trim_end_matches(',').to_string()),
        Just(says(INDEX).trim_end_matches(',').to_string()),
        Just(format!(r#""config":{}"#, descriptor(""))),
        Just(format!(r#""layers":[{}]"#, descriptor(""))),
        Just(format!(r#""manifests":[{}]"#, descriptor(""))),
        Just(r#""Layers":[]"#.to_string()),
        "[a-z\"{}:,]{0,8}",
    ];
    proptest::collection::vec(words, 0..6).prop_map(|words| format!("{{{}}}", words.join(",")))
}

proptest! {
    /// Whatever it is claimed to be, it is never taken for both kinds.
    #[test]
    fn no_document_is_two_things(text in pieces()) {
        let kinds: Vec<bool> = ["", INDEX, MANIFEST, LIST, DOCKERS]
            .into_iter()
            .filter_map(|claimed| read(&text, claimed).ok())
            .map(|document| matches!(document, Document::Index(_)))
            .collect();
        proptest::prop_assert!(kinds.windows(2).all(|two| two[0] == two[1]), "{text}: {kinds:?}");
    }

    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Document::read(&bytes, &MediaType::OciManifest);
        let _ = crate::model::ImageConfig::read(&bytes);
    }
}
