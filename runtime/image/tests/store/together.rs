//! Several commands at once: each blob comes once, no name is lost, nothing disappears under the hands
//! of who works.

use std::fs;
use std::process::{Child, Stdio};

use serde_json::json;

use crate::bench::{Bench, said};
use crate::keeping::loaded;
use crate::samples::{Layout, archive, three};

fn start(bench: &Bench, words: &[&str]) -> Child {
    bench.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(children: Vec<Child>) {
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn the_same_images_come_from_several_at_once_into_a_new_store() {
    let bench = Bench::new();
    three().write(&bench.path("layout"));
    fs::write(bench.path("three.tar"), archive(&three().files())).unwrap();
    let words = [["load", "layout"], ["load", "three.tar"]];
    end((0..12).map(|count| start(&bench, &words[count % 2])).collect());
    bench.is_well();
    assert_eq!(bench.names().len(), 3);
    assert_eq!(bench.oddities(), [] as [&str; 0]);
    assert_eq!(fs::read_dir(bench.root().join("ingest")).unwrap().count(), 0);
}

#[test]
fn no_name_is_lost() {
    let bench = loaded();
    let names: Vec<String> = (0..16).map(|count| format!("host.example/many:{count}")).collect();
    end(names.iter().map(|name| start(&bench, &["tag", "host.example/one:1", name])).collect());
    assert_eq!(bench.names().len(), 3 + names.len());
    end(names.iter().map(|name| start(&bench, &["rm", name])).collect());
    assert_eq!(bench.names().len(), 3);
    bench.is_well();
}

#[test]
fn garbage_is_collected_while_images_come_and_go() {
    let bench = Bench::new();
    let mut children = Vec::new();
    for count in 0..8 {
        let mut layout = Layout::default();
        let file = format!("file{count}");
        let image = layout.image("amd64", &[("shared", b"all have it"), (&file, b"its own")]);
        layout.name(image, &format!("host.example/image:{count}"));
        let archive = archive(&layout.files());
        let name = format!("{count}.tar");
        fs::write(bench.path(&name), archive).unwrap();
        children.push(start(&bench, &["load", &name]));
        children.push(start(&bench, &["gc"]));
    }
    end(children);
    bench.is_well();
    assert_eq!(bench.names().len(), 8);
    bench.does(&["gc"]);
    bench.is_well();
}

/// Docker's form has no digests for its files, so two who bring the same one do not know it before.
#[test]
fn the_same_image_comes_from_several_in_dockers_form() {
    let bench = loaded();
    bench.does(&["save", "--format", "docker", "-o", "docker.tar", "host.example/one:1"]);
    let other = Bench::new();
    let path = bench.path("docker.tar");
    let words = ["load", path.to_str().unwrap()];
    end((0..6).map(|_| start(&other, &words)).collect());
    other.is_well();
    assert_eq!(other.names(), ["host.example/one:1"]);
    assert_eq!(json!(other.oddities()), json!([]));
}
