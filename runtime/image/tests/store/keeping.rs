//! Names, garbage, checks, and who may look in.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::bench::{Bench, content};
use crate::samples::three;

/// A store with three images.
pub(crate) fn loaded() -> Bench {
    let bench = Bench::new();
    three().write(&bench.path("layout"));
    bench.does(&["load", "layout"]);
    bench
}

fn blobs(bench: &Bench) -> Vec<PathBuf> {
    let folder = bench.root().join("blobs/sha256");
    let mut blobs: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    blobs.sort();
    blobs
}

#[test]
fn what_is_loaded_is_saved_as_it_was() {
    let bench = loaded();
    assert_eq!(bench.names(), ["host.example/both:1", "host.example/one:1", "host.example/two:1"]);
    let all = ["host.example/both:1", "host.example/one:1", "host.example/two:1"];
    let mut words = vec!["save", "--format", "folder", "-o", "saved"];
    words.extend(all);
    bench.does(&words);
    let blobs = |name: &str| content(&bench.path(name).join("blobs"));
    assert_eq!(blobs("saved"), blobs("layout"));
    assert_eq!(blobs("saved"), content(&bench.root().join("blobs")));
    // The same images give the same archive, through a pipe and into a file.
    let mut words = vec!["save", "-o", "one.tar"];
    words.extend(all);
    bench.does(&words);
    let piped = bench.command(&[&["save"][..], &all].concat()).output().unwrap();
    assert!(piped.status.success() && piped.stdout == fs::read(bench.path("one.tar")).unwrap());
    assert!(bench.refuses(&words[..3]).contains("IMAGE"));
}

#[test]
fn a_platform_is_chosen() {
    let bench = loaded();
    let history =
        |platform| bench.does(&["history", "--platform", platform, "host.example/both:1"]);
    assert!(history("linux/arm64").contains("ADD arm"));
    assert!(history("linux/amd64").contains("ADD one"));
    let error = bench.refuses(&["history", "--platform", "linux/s390x", "host.example/both:1"]);
    assert!(error.contains("linux/amd64, linux/arm64"), "{error}");
    let save = ["save", "-o", "arm.tar", "--platform", "linux/arm64", "host.example/both:1"];
    bench.does(&save);
    let other = Bench::new();
    other.does(&["load", bench.path("arm.tar").to_str().unwrap()]);
    assert!(other.does(&["ls"]).contains("linux/arm64 "));
}

#[test]
fn what_nothing_leads_to_goes() {
    let bench = loaded();
    let before = blobs(&bench).len();
    bench.does(&["tag", "host.example/two:1", "two:again"]);
    bench.does(&["rm", "host.example/two:1"]);
    assert_eq!(blobs(&bench).len(), before, "the image has another name");
    let said = bench.does(&["rm", "two:again"]);
    // A manifest, a configuration and a layer; the other layer is shared.
    assert_eq!(said.matches("deleted:").count(), 3, "{said}");
    assert_eq!(blobs(&bench).len(), before - 3);
    bench.does(&["rm", "--no-gc", "host.example/one:1", "host.example/both:1"]);
    assert_eq!(blobs(&bench).len(), before - 3);
    let would = bench.does(&["gc", "--dry-run"]);
    assert_eq!(would.lines().count(), before - 3, "{would}");
    bench.does(&["gc"]);
    assert!(blobs(&bench).is_empty());
    bench.is_well();
    assert_eq!(bench.oddities(), [] as [&str; 0]);
}

#[test]
fn rm_takes_all_names_of_a_digest_or_none_of_several() {
    let bench = loaded();
    bench.does(&["tag", "host.example/two:1", "two:again"]);
    let error = bench.refuses(&["rm", "host.example/two:1", "no/such:image"]);
    assert!(error.contains("no/such:image"), "{error}");
    assert_eq!(bench.names().len(), 4, "a name was taken away although another is not there");
    let digest = bench.digest("host.example/two:1");
    let said = bench.does(&["rm", &digest]);
    assert_eq!(said.matches("untagged:").count(), 2, "{said}");
}

#[test]
fn what_a_container_or_a_lease_needs_stays() {
    let bench = loaded();
    let store = image::store::Store::open(&bench.root()).unwrap();
    let one = store.resolve("host.example/one:1").unwrap();
    let two = store.resolve("host.example/two:1").unwrap();
    let layer = image::digest::Digest::of(b"a layer of a container");
    fs::create_dir(store.layer(&layer)).unwrap();
    fs::create_dir(store.layer(&image::digest::Digest::of(b"garbage"))).unwrap();
    let uses = image::store::Uses { image: one, layers: vec![layer.clone()] };
    store.use_for("container", &uses).unwrap();
    store.lease("lease", &two, std::time::Duration::from_secs(60)).unwrap();
    drop(store);
    bench.does(&["rm", "host.example/one:1", "host.example/two:1", "host.example/both:1"]);
    bench.does(&["gc"]);
    // Each a manifest, a configuration and two layers, of which one is shared.
    assert_eq!(blobs(&bench).len(), 7);
    let store = image::store::Store::open(&bench.root()).unwrap();
    assert!(store.has_layer(&layer));
    assert!(!store.has_layer(&image::digest::Digest::of(b"garbage")));
    store.forget("container").unwrap();
    store.lease("lease", &two, std::time::Duration::ZERO).unwrap();
    drop(store);
    bench.does(&["gc"]);
    assert!(blobs(&bench).is_empty());
    assert!(fs::read_dir(bench.root().join("leases")).unwrap().next().is_none());
    assert!(fs::read_dir(bench.root().join("containers")).unwrap().next().is_none());
    bench.is_well();
}

#[test]
fn unpacked_layers_can_go_and_those_of_containers_stay() {
    let bench = loaded();
    let store = image::store::Store::open(&bench.root()).unwrap();
    let named = store.resolve("host.example/one:1").unwrap();
    let image = store.image(&named, &"linux/amd64".parse().unwrap()).unwrap();
    let ids = image.config.rootfs.diff_ids;
    ids.iter().for_each(|id| fs::create_dir(store.layer(id)).unwrap());
    let uses = image::store::Uses { image: named, layers: vec![ids[0].clone()] };
    store.use_for("container", &uses).unwrap();
    bench.does(&["ls"]);
    drop(store);
    bench.does(&["gc"]);
    let here =
        |id| bench.root().join("layers/sha256").join(image::digest::Digest::hex(id)).exists();
    assert!(ids.iter().all(here));
    bench.does(&["gc", "--layers"]);
    assert!(here(&ids[0]) && !here(&ids[1]));
    assert_eq!(bench.names().len(), 3);
    bench.is_well();
}

#[test]
fn what_was_changed_on_the_disk_is_found_and_repaired() {
    let bench = loaded();
    let victims = blobs(&bench);
    // One bit each time, in every blob: documents and layers.
    for victim in &victims {
        let bytes = fs::read(victim).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        fs::write(victim, flipped).unwrap();
        let said = bench.refuses(&["fsck"]);
        let name = victim.file_name().unwrap().to_str().unwrap();
        assert!(said.contains(name) && said.contains("spoiled"), "{said}");
        fs::write(victim, bytes).unwrap();
    }
    bench.is_well();
    let mut shorter = fs::read(&victims[0]).unwrap();
    shorter.pop();
    fs::write(&victims[0], shorter).unwrap();
    fs::remove_file(&victims[1]).unwrap();
    symlink("/etc/passwd", &victims[1]).unwrap();
    fs::write(bench.root().join("blobs/sha256/stranger"), "").unwrap();
    bench.refuses(&["fsck", "--repair"]);
    assert_eq!(fs::read_dir(bench.root().join("spoiled")).unwrap().count(), 3);
    // What is missing now comes again, and then all is well.
    bench.does(&["load", "layout"]);
    bench.is_well();
}

#[test]
fn garbage_is_not_known_where_a_document_is_spoiled() {
    let bench = loaded();
    let digest = bench.digest("host.example/one:1");
    let path = bench.root().join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("layers", "slayer")).unwrap();
    let before = blobs(&bench);
    assert!(bench.refuses(&["gc"]).contains(&digest));
    assert_eq!(blobs(&bench), before);
    assert!(bench.does(&["ls"]).contains("not complete"));
}

#[test]
fn nobody_else_may_look_in_whatever_the_umask() {
    let bench = Bench::new();
    three().write(&bench.path("layout"));
    let program = env!("CARGO_BIN_EXE_image");
    bench.tool("sh", &["-c", &format!("umask 000; {program} --root root load layout")]);
    bench.tool("sh", &["-c", &format!("umask 000; {program} --root root rm host.example/one:1")]);
    assert_eq!(bench.oddities(), [] as [&str; 0]);
}

#[test]
fn room_is_shared_or_not() {
    let bench = loaded();
    let room: serde_json::Value =
        serde_json::from_str(&bench.does(&["df", "--format", "json"])).unwrap();
    let of = |name: &str| {
        let images = room["images"].as_array().unwrap();
        let image = images.iter().find(|image| image["name"] == name).unwrap();
        (image["shared"].as_u64().unwrap(), image["unique"].as_u64().unwrap())
    };
    let ((shared, unique), (_, both)) = (of("host.example/two:1"), of("host.example/both:1"));
    assert!(shared > 0 && unique > 0 && both > 0, "{room}");
    assert_eq!(of("host.example/one:1").1, 0, "all of it is in the image for two platforms");
    assert_eq!(room["garbage"], 0);
}
