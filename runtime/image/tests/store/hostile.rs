//! Archives and layouts that somebody has made to do harm: each is refused, nothing is written outside
//! of the store, no name changes, and the store is well afterwards.

use std::fs;
use std::os::unix::fs::symlink;

use image::digest::Digest;
use serde_json::json;

use crate::bench::{Bench, content, is_root};
use crate::samples::{CONFIG, INDEX, LAYER, Layout, MANIFEST, archive, gzip, tar_of, three};

/// Loads an archive, which must be refused with these words in the error.
fn refused(files: &[(String, Vec<u8>)], words: &str) {
    let bench = Bench::new();
    fs::write(bench.path("hostile.tar"), archive(files)).unwrap();
    let error = bench.refuses(&["load", "hostile.tar"]);
    assert!(error.contains(words), "{words:?} is not said: {error}");
    left_nothing(&bench);
}

fn left_nothing(bench: &Bench) {
    bench.is_well();
    assert_eq!(bench.names(), [] as [&str; 0]);
    bench.does(&["gc"]);
    assert_eq!(content(&bench.root().join("blobs")), []);
    assert_eq!(content(&bench.root().join("ingest")), []);
    assert_eq!(bench.oddities(), [] as [&str; 0]);
}

#[test]
fn a_blob_that_is_not_what_its_name_says() {
    let right = three().files();
    // The first blob is a layer.
    for change in ["longer", "shorter", "flipped", "empty"] {
        let mut files = right.clone();
        let bytes = &mut files[2].1;
        match change {
            "longer" => bytes.push(0),
            "shorter" => drop(bytes.pop()),
            "flipped" => bytes[10] ^= 1,
            _ => bytes.clear(),
        }
        refused(&files, &right[2].0.replace("blobs/sha256/", "sha256:"));
    }
    // One that is right, and whose size in the descriptor is not.
    for size in [-1_i64, 0, 1, 1 << 40, i64::MAX] {
        let mut layout = three();
        layout.index[0]["size"] = json!(size);
        refused(&layout.files(), "");
    }
    let mut cut = archive(&right);
    cut.truncate(cut.len() / 2);
    let bench = Bench::new();
    fs::write(bench.path("cut.tar"), cut).unwrap();
    bench.refuses(&["load", "cut.tar"]);
    left_nothing(&bench);
}

#[test]
fn digests_that_would_be_paths() {
    for digest in [
        "sha256:../../../../etc/passwd".to_string(),
        "sha256:..".to_string(),
        format!("sha256:{}", "A".repeat(64)),
        format!("sha256:{}", "a".repeat(63)),
        format!("sha512:{}", "a".repeat(64)),
        format!("md5:{}", "a".repeat(32)),
        format!("sha256:{}", "é".repeat(32)),
    ] {
        let mut layout = three();
        layout.index[0]["digest"] = json!(digest);
        refused(&layout.files(), "digest");
    }
}

#[test]
fn documents_that_are_two_things() {
    let mut layout = Layout::default();
    let image = layout.image("amd64", &[("a", b"a")]);
    let both = json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [image],
        "layers": [], "config": image,
    });
    for kind in [INDEX, MANIFEST] {
        let mut layout = layout.clone();
        let both = layout.document(kind, &both);
        layout.name(both, "host.example/a:1");
        refused(&layout.files(), "ambiguous");
    }
}

#[test]
fn documents_that_never_end() {
    let mut layout = Layout::default();
    let text = format!(r#"{{"schemaVersion":2,"x":"{}"}}"#, "x".repeat(5 << 20));
    let large = layout.blob(MANIFEST, text.as_bytes());
    layout.name(large, "host.example/a:1");
    refused(&layout.files(), "4194304");
    let mut layout = Layout::default();
    let text = format!(r#"{{"schemaVersion":2,"x":{}"#, "[".repeat(1_000_000));
    let deep = layout.blob(MANIFEST, text.as_bytes());
    layout.name(deep, "host.example/a:1");
    refused(&layout.files(), "this is not a manifest");
    // An index that leads to an index that leads to an index.
    let mut layout = three();
    let mut inner = layout.index[0].clone();
    for _ in 0..20 {
        let outer = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [inner] });
        inner = layout.document(INDEX, &outer);
    }
    layout.index.clear();
    layout.name(inner, "host.example/a:1");
    refused(&layout.files(), "index");
}

#[test]
fn parts_that_do_not_fit() {
    let mut layout = Layout::default();
    let layer = layout.blob(LAYER, &gzip(&tar_of("a", b"a")));
    let config = json!({ "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] } });
    let config = layout.document(CONFIG, &config);
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
    let manifest = layout.document(MANIFEST, &manifest);
    layout.name(manifest, "host.example/a:1");
    refused(&layout.files(), "do not fit");
    let mut incomplete = three();
    // The second layer of the first image, which no other has.
    let gone = incomplete.blobs.remove(1);
    refused(&incomplete.files(), Digest::of(&gone).hex());
    refused(&[("letter".to_string(), b"dear".to_vec())], "it is no image");
}

/// CVE-2026-48749: a layout's own names, as links that lead elsewhere.
#[test]
fn a_layout_whose_files_are_links() {
    for name in ["index.json", "oci-layout", "blobs", "blobs/sha256", "a blob"] {
        let bench = Bench::new();
        let layout = three();
        layout.write(&bench.path("layout"));
        let blob = format!("blobs/sha256/{}", Digest::of(&layout.blobs[0]).hex());
        let victim = if name == "a blob" { blob.as_str() } else { name };
        let (there, elsewhere) = (bench.path("layout").join(victim), bench.path("elsewhere"));
        fs::rename(&there, &elsewhere).unwrap();
        symlink(&elsewhere, &there).unwrap();
        let error = bench.refuses(&["load", "layout"]);
        assert!(error.contains("symbolic link"), "{name}: {error}");
        left_nothing(&bench);
    }
    // A fifo would be waited for.
    let bench = Bench::new();
    three().write(&bench.path("layout"));
    fs::remove_file(bench.path("layout/index.json")).unwrap();
    bench.tool("mkfifo", &["layout/index.json"]);
    bench.refuses(&["load", "layout"]);
    left_nothing(&bench);
}

fn docker(config: &str, layers: &[&str], more: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    let tar = tar_of("a", b"a");
    let about = json!({
        "os": "linux", "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tar)] },
    });
    let list = json!([{ "Config": config, "RepoTags": ["host.example/a:1"], "Layers": layers }]);
    let mut files = vec![
        ("config.json".to_string(), about.to_string().into_bytes()),
        ("layer/layer.tar".to_string(), tar),
        ("manifest.json".to_string(), list.to_string().into_bytes()),
    ];
    files.extend(more.iter().map(|(name, bytes)| ((*name).to_string(), bytes.to_vec())));
    files
}

/// CVE-2014-9356 and its family: paths in `docker save`'s form.
#[test]
fn names_in_dockers_form_never_reach_the_file_system() {
    let bench = Bench::new();
    let right = docker("config.json", &["layer/layer.tar"], &[]);
    fs::write(bench.path("right.tar"), archive(&right)).unwrap();
    bench.does(&["load", "right.tar"]);
    assert_eq!(bench.names(), ["host.example/a:1"]);
    for (config, layer) in [
        ("/etc/passwd", "layer/layer.tar"),
        ("../../etc/passwd", "layer/layer.tar"),
        ("config.json", "/etc/passwd"),
        ("config.json", "layer/../../layer.tar"),
        ("config.json", "no/layer.tar"),
        ("config.json", ""),
        ("manifest.json", "layer/layer.tar"),
        // Not in this archive, wherever else it may be.
        ("config.json", &format!("blobs/sha256/{}", "0".repeat(64))),
    ] {
        refused(&docker(config, &[layer], &[]), "");
    }
    refused(&docker("config.json", &[], &[]), "has 1 layers");
    refused(&docker("config.json", &["other.tar"], &[("other.tar", &tar_of("b", b""))]), "spoiled");
}

#[test]
fn links_in_an_archive_lead_from_name_to_name() {
    let link = |name: &str, target: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in docker("config.json", &["link/layer.tar"], &[]) {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, name, target).unwrap();
        builder.into_inner().unwrap()
    };
    let bench = Bench::new();
    let load = |bytes: Vec<u8>| fs::write(bench.path("link.tar"), bytes).unwrap();
    load(link("link/layer.tar", "../layer/layer.tar"));
    bench.does(&["load", "link.tar"]);
    for target in ["../../etc/passwd", "/etc/passwd", "../link/layer.tar", "../none"] {
        load(link("link/layer.tar", target));
        bench.refuses(&["load", "link.tar"]);
        bench.is_well();
    }
}

/// CVE-2026-50195: an archive does not take a name away from another image.
#[test]
fn a_name_stays_with_the_image_that_has_it() {
    let bench = Bench::new();
    three().write(&bench.path("layout"));
    bench.does(&["load", "layout"]);
    let before = bench.digest("host.example/one:1");
    let mut other = Layout::default();
    let new = other.image("amd64", &[("trojan", b"horse")]);
    other.name(new.clone(), "host.example/new:1");
    other.name(new, "host.example/one:1");
    fs::write(bench.path("other.tar"), archive(&other.files())).unwrap();
    let error = bench.refuses(&["load", "other.tar"]);
    assert!(error.contains("host.example/one:1") && error.contains("--force"), "{error}");
    assert_eq!(bench.digest("host.example/one:1"), before);
    assert_eq!(bench.names().len(), 3, "one of two names was given");
    // The same image again is no harm, and neither is another name for it.
    bench.does(&["load", "layout"]);
    bench.does(&["load", "other.tar", "--only", "host.example/new:1", "--name", "mine"]);
    bench.does(&["load", "--force", "other.tar"]);
    assert_ne!(bench.digest("host.example/one:1"), before);
    bench.is_well();
}

#[test]
fn names_are_data() {
    for name in ["../../etc/passwd", "host.example/UPPER:1", "-rf", "a:b:c", "\u{1b}[31m:x"] {
        let list = json!([{ "Config": "config.json", "RepoTags": [name],
            "Layers": ["layer/layer.tar"] }]);
        let mut files = docker("config.json", &["layer/layer.tar"], &[]);
        files[2].1 = list.to_string().into_bytes();
        refused(&files, "");
    }
}

/// A few hundred kilobytes that would fill a disk.
#[test]
fn an_archive_that_grows_and_grows() {
    let bench = Bench::new();
    let header = || {
        let mut header = tar::Header::new_gnu();
        header.set_path("large").unwrap();
        header.set_size(80 << 20);
        header.set_cksum();
        header
    };
    let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    let zeros = vec![0; 1 << 20];
    std::io::Write::write_all(&mut packer, header().as_bytes()).unwrap();
    for _ in 0..80 {
        std::io::Write::write_all(&mut packer, &zeros).unwrap();
    }
    fs::write(bench.path("bomb.tar.zst"), packer.finish().unwrap()).unwrap();
    let error = bench.refuses(&["load", "bomb.tar.zst"]);
    assert!(error.contains("200 times its size"), "{error}");
    left_nothing(&bench);
    // A window of more than 128 MiB would be memory that is not there.
    let mut bytes = b"\x28\xb5\x2f\xfd\x00\xff".to_vec();
    bytes.extend([0; 64]);
    fs::write(bench.path("window.tar.zst"), bytes).unwrap();
    bench.refuses(&["load", "window.tar.zst"]);
    left_nothing(&bench);
}

/// RUSTSEC-2023-0018: what is mounted in a tree that goes is not gone down into.
#[test]
fn what_is_mounted_in_garbage_stays() {
    if !is_root() {
        return;
    }
    let bench = Bench::new();
    three().write(&bench.path("layout"));
    bench.does(&["load", "layout"]);
    let (layer, canary) = (bench.root().join("layers/sha256"), bench.path("canary"));
    let layer = layer.join("0".repeat(64));
    fs::create_dir_all(layer.join("in")).unwrap();
    fs::create_dir(&canary).unwrap();
    fs::write(canary.join("bird"), "").unwrap();
    symlink(&canary, layer.join("link")).unwrap();
    // In a mount namespace of its own, which takes its mounts with it.
    let script = format!(
        "mount --bind {} {} && {} --root root gc; echo code $?; {} --root root ls",
        canary.display(),
        layer.join("in").display(),
        env!("CARGO_BIN_EXE_image"),
        env!("CARGO_BIN_EXE_image"),
    );
    let said = bench.tool("unshare", &["--mount", "sh", "-c", &format!("exec 2>&1; {script}")]);
    assert!(said.contains("EXDEV") && said.contains("code 125"), "{said}");
    assert!(said.contains("host.example/one:1"), "nothing else works any more: {said}");
    assert!(canary.join("bird").exists());
    bench.does(&["gc"]);
    assert!(canary.join("bird").exists());
    assert_eq!(fs::read_dir(bench.root().join("layers/sha256")).unwrap().count(), 0);
}
