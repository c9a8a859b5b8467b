//! Names of images: they mean what they mean to Docker, and what is wrong is named.

use image::reference::Reference;
use proptest::prelude::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Of what distribution/reference says of these names (`normalize_test.go`, `reference_test.go`).
#[test]
fn names_mean_what_they_mean_to_docker() {
    let hex = "a".repeat(64);
    let not_quite = format!("{}/x", "a".repeat(64));
    let cases: &[(&str, &str)] = &[
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7", "docker.io/library/redis:7"),
        ("library/redis", "docker.io/library/redis:latest"),
        ("docker.io/redis", "docker.io/library/redis:latest"),
        ("index.docker.io/redis", "docker.io/library/redis:latest"),
        ("index.docker.io/team/app", "docker.io/team/app:latest"),
        ("team/app:v1.2-rc.1_x", "docker.io/team/app:v1.2-rc.1_x"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("127.0.0.1:5000/a/b/c:t", "127.0.0.1:5000/a/b/c:t"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("[2001:db8::1]/x:1", "[2001:db8::1]/x:1"),
        ("example.org/x", "example.org/x:latest"),
        ("UPPER/x", "UPPER/x:latest"),
        ("Foo/bar:Tag", "Foo/bar:Tag"),
        ("xn--7o8h.com/myimage:xn--n3h", "xn--7o8h.com/myimage:xn--n3h"),
        ("a-b.example/a__b/c", "a-b.example/a__b/c:latest"),
        ("x/a---b", "docker.io/x/a---b:latest"),
        (&not_quite, &format!("docker.io/{hex}/x:latest")),
        (&hex[..63], &format!("docker.io/library/{}:latest", &hex[..63])),
    ];
    for (text, full) in cases {
        let reference: Reference = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(reference.to_string(), *full, "{text}");
    }
}

#[test]
fn a_digest_decides_and_a_tag_beside_it_stays() {
    let both: Reference = format!("redis:7@{D}").parse().unwrap();
    assert_eq!((both.tag(), both.wanted()), (Some("7"), D.to_owned()));
    assert_eq!(both.to_string(), format!("docker.io/library/redis:7@{D}"));
    assert_eq!(both.short(), format!("redis:7@{D}"));
    let alone: Reference = format!("localhost:5000/x@{D}").parse().unwrap();
    assert_eq!((alone.tag(), alone.registry()), (None, "localhost:5000"));
}

#[test]
fn what_is_wrong_is_named() {
    let hex = "0123456789abcdef".repeat(4);
    let long_tag = format!("redis:{}", "t".repeat(129));
    let long_name = format!("a/{}", "x".repeat(254));
    let cases: &[(&str, &str)] = &[
        ("", "is empty"),
        (&hex, "image's id"),
        ("Redis", "repository \"Redis\" cannot have that name: it has to be in lower case"),
        ("team/App", "lower case"),
        ("example.org/", "repository \"\" cannot have that name: it is empty"),
        ("/x", "between its slashes"),
        ("a//b", "between its slashes"),
        ("a/b/", "between its slashes"),
        ("a..b", "only one . or _"),
        ("a___b", "only one . or _"),
        ("-a", "begins and ends with a letter"),
        ("a_", "begins and ends with a letter"),
        ("a b", "made of a-z"),
        ("é", "made of a-z"),
        ("http://example.org/x", "after the colon a port has to follow"),
        ("example.org:/x", "after the colon a port has to follow"),
        ("example.org:50a/x", "after the colon a port has to follow"),
        ("-x.org/y", "registry \"-x.org\" is no host name"),
        ("x..org/y", "between its dots"),
        ("[::1/x", "never closed"),
        ("[::g]:5000/x", "IPv6"),
        ("[::1]5000/x", "only a port can follow"),
        ("user:pw@example.org/x", "what follows the @"),
        ("redis:", "the tag \"\""),
        ("redis:a:b", "the tag \"a:b\""),
        ("redis:-x", "begins with a letter"),
        (&long_tag, "longer than 128"),
        (&long_name, "longer than 255"),
        ("redis@", "what follows the @"),
        ("redis@sha256:short", "64 digits"),
        ("redis@sha256:../../../etc/passwd", "64 digits"),
        ("redis@md5:d41d8cd98f00b204e9800998ecf8427e", "algorithm"),
    ];
    for (text, says) in cases {
        match text.parse::<Reference>() {
            Ok(reference) => panic!("{text:?} was taken for {reference}"),
            Err(error) => {
                assert!(error.to_string().contains(says), "{text:?}: {error}, not: {says}");
            }
        }
    }
}

proptest! {
    #[test]
    fn anything_at_all_is_answered(text in "\\PC*") {
        let _ = text.parse::<Reference>();
    }

    /// The full form means the same, whatever was filled in; and so does the short one.
    #[test]
    fn a_name_is_read_as_it_is_written(
        registry in "(([a-z0-9]{1,5}\\.[a-z]{2,3}|localhost)(:[0-9]{1,5})?/)?",
        repository in "[a-z0-9]{1,8}((_|__|-|/)[a-z0-9]{1,8}){0,3}",
        tag in "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?",
        digest in any::<bool>(),
    ) {
        let digest = if digest { format!("@{D}") } else { String::new() };
        let text = format!("{registry}{repository}{tag}{digest}");
        let reference: Reference = text.parse().unwrap();
        prop_assert_eq!(&reference.to_string().parse::<Reference>().unwrap(), &reference);
        prop_assert_eq!(&reference.short().parse::<Reference>().unwrap(), &reference);
    }

    /// Nothing that is read can lead out of a directory or into another part of a URL.
    #[test]
    fn no_part_of_a_name_is_a_path(text in "[a-zA-Z0-9./:@_\\[\\]%?#-]{1,40}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert!(!reference.repository().contains(".."));
            prop_assert!(!reference.repository().contains(['%', '?', '#', ':', '@']));
            prop_assert!(!reference.registry().contains(['/', '%', '?', '#', '@']));
        }
    }
}
