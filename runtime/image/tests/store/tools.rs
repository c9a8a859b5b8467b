//! The tools that others use: what they write is read here, what is written here they read, and the
//! digests are the same.

use std::fs;

use crate::bench::{Bench, content, has};
use crate::keeping::loaded;
use crate::samples::three;

const ONE: &str = "host.example/one:1";

#[test]
fn skopeo_reads_the_store_itself() {
    if !has("skopeo") {
        return;
    }
    let bench = loaded();
    for name in bench.names() {
        let raw = bench.tool("skopeo", &["inspect", "--raw", &format!("oci:root:{name}")]);
        let digest = image::digest::Digest::of(raw.as_bytes()).to_string();
        assert_eq!(digest, bench.digest(&name), "{name}");
    }
    bench.tool("skopeo", &["copy", "--all", "oci:root:host.example/both:1", "oci:copy:x"]);
    let mine = content(&bench.root().join("blobs"));
    let copied = content(&bench.path("copy/blobs"));
    assert!(copied.iter().all(|blob| mine.contains(blob)));
}

#[test]
fn umoci_reads_the_store_itself() {
    if !has("umoci") {
        return;
    }
    let bench = loaded();
    let about = bench.tool("umoci", &["stat", "--image", &format!("root:{ONE}")]);
    assert!(about.contains("ADD one"), "{about}");
    bench.tool("umoci", &["unpack", "--image", &format!("root:{ONE}"), "bundle"]);
    assert_eq!(fs::read(bench.path("bundle/rootfs/shared")).unwrap(), b"both have it");
    bench.is_well();
}

#[test]
fn what_umoci_writes_is_read() {
    if !has("umoci") {
        return;
    }
    let bench = Bench::new();
    three().write(&bench.path("layout"));
    fs::write(bench.path("file"), "new").unwrap();
    let image = "layout:host.example/one:1";
    bench.tool("umoci", &["insert", "--image", image, "--tag", "new", "file", "/file"]);
    bench.does(&["load", "layout", "--only", "new", "--name", "new"]);
    assert!(bench.does(&["history", "new"]).contains("umoci insert"));
    bench.is_well();
}

#[test]
fn skopeo_and_this_program_read_each_others_archives() {
    if !has("skopeo") {
        return;
    }
    let bench = loaded();
    let digest = bench.digest(ONE);
    bench.does(&["save", "-o", "oci.tar", ONE]);
    bench.does(&["save", "--format", "docker", "-o", "docker.tar", ONE]);
    bench.does(&["save", "--format", "folder", "-o", "folder", ONE]);
    for source in [
        format!("oci-archive:oci.tar:{ONE}"),
        format!("docker-archive:oci.tar:{ONE}"),
        format!("docker-archive:docker.tar:{ONE}"),
        format!("oci:folder:{ONE}"),
    ] {
        let config = bench.tool("skopeo", &["inspect", "--config", &source]);
        assert!(config.contains("ADD one"), "{source}: {config}");
    }
    // Without a change on the way the digest is the same at the end.
    for (number, destination) in ["oci-archive:1.tar:x/y:1", "oci:2:x/y:1"].iter().enumerate() {
        bench.tool("skopeo", &["copy", &format!("oci:root:{ONE}"), destination]);
        let file = if number == 0 { "1.tar" } else { "2" };
        let name = format!("host.example/copy:{number}");
        bench.does(&["load", file, "--name", &name]);
        assert_eq!(bench.digest(&name), digest);
    }
    let destination = "docker-archive:3.tar:host.example/copy:3";
    bench.tool("skopeo", &["copy", &format!("oci:root:{ONE}"), destination]);
    bench.does(&["load", "3.tar"]);
    assert!(bench.does(&["history", "host.example/copy:3"]).contains("ADD one"));
    bench.is_well();
}

#[test]
fn podman_and_this_program_read_each_others_archives() {
    if !has("podman") {
        return;
    }
    let bench = loaded();
    let store = ["--root", "podman", "--runroot", "podman-run", "--storage-driver", "vfs"];
    let store = store.map(|word| match word.strip_prefix("podman") {
        Some(_) => bench.path(word).display().to_string(),
        None => word.to_string(),
    });
    let podman = |words: &[&str]| {
        let words = store.iter().map(String::as_str).chain(words.iter().copied());
        bench.tool("podman", &words.collect::<Vec<_>>())
    };
    for (format, file) in [("oci", "oci.tar"), ("docker", "docker.tar")] {
        bench.does(&["save", "--format", format, "-o", file, ONE]);
        podman(&["load", "--input", file]);
        assert!(podman(&["history", ONE]).contains("ADD one"), "{format}");
    }
    for format in ["oci-archive", "docker-archive"] {
        let (file, name) = (format!("{format}.tar"), format!("host.example/{format}:1"));
        podman(&["tag", ONE, &name]);
        podman(&["save", "--format", format, "--output", &file, &name]);
        bench.does(&["load", &file]);
        assert!(bench.does(&["history", &name]).contains("ADD one"), "{format}");
    }
    bench.is_well();
}
