//! Layers that climb out: each attack succeeds where its defence is left out, and fails where it is.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use tests::places::Place;
use tests::running::Run;

use super::{Folder, Named};

pub(super) const TESTS: &[Named] = &[
    ("attack/root-left-out", root_left_out),
    ("attack/root", root),
    ("attack/names", names),
    ("attack/from-a-disk", from_a_disk),
];

/// Each way out, what it does to the canary, and whether a look at the names would find it.
const WAYS: [(&str, &str, bool); 6] = [
    ("dot-dot", "the canary says \"poison\\n\"\n", true),
    ("absolute", "the canary says \"poison\\n\"\n", true),
    ("symlink", "the canary says \"poison\\n\"\n", false),
    ("hardlink", "the canary has 2 names: one is the layer's\n", true),
    ("whiteout", "the canary is gone\n", true),
    ("earlier", "the canary is gone\n", false),
];

const UNHARMED: &str = "the canary is unharmed\n";

fn attack(place: Place, way: &str, flags: &[&str]) -> (String, String) {
    let run = Run::new(place, "chapter6").untraced().flags(["--trace", "off"]);
    let ran = run.args(["layer", "attack", way]).args(flags).go();
    assert!(ran.left_behind.is_empty(), "{way}: left behind: {:?}", ran.left_behind);
    (ran.stdout, ran.stderr)
}

/// Without a root of its own the layer reaches what is outside: in a place that is made for it.
fn root_left_out(place: Place) {
    for (way, harm, _) in WAYS {
        let flags = ["--trust-names", "--without", "enter-the-layer"];
        let (said, error) = attack(place, way, &flags);
        assert_eq!(said, harm, "{way}: {error}");
    }
}

fn root(place: Place) {
    for (way, _, _) in WAYS {
        let (said, error) = attack(place, way, &["--trust-names"]);
        assert_eq!(said, UNHARMED, "{way}: {error}");
    }
}

/// Names that lead out are refused before anything is done; what they do not tell, the root does.
fn names(place: Place) {
    for (way, harm, by_name) in WAYS {
        for flags in [&[][..], &["--without", "enter-the-layer"]] {
            let (said, error) = attack(place, way, flags);
            match by_name {
                true => {
                    assert_eq!(said, "", "{way}");
                    let entry = ["canary", "stolen"].iter().any(|name| error.contains(name));
                    assert!(entry && error.contains("leads out of the layer"), "{way}: {error}");
                }
                false if flags.is_empty() => assert_eq!(said, UNHARMED, "{way}"),
                false => assert_eq!(said, harm, "{way}"),
            }
        }
    }
}

/// The same with tars that GNU tar has made, a directory on a disk, and nobody's word but the disk's.
fn from_a_disk(place: Place) {
    let folder = Folder::new(place);
    folder.directory("made");
    folder.directory("made/inside");
    folder.file("made/canary", "poison");
    symlink("..", folder.path("made/inside/way")).unwrap();
    let from = folder.text("made/inside");
    let tar = |name: &str, entries: &[&str]| {
        let layer = folder.text(name);
        let mut words = vec!["tar", "-P", "--owner=0", "--group=0", "-cf", &layer, "-C", &from];
        words.extend(entries);
        folder.other(&words);
    };
    tar("up.tar", &["../canary"]);
    tar("link.tar", &["way", "way/canary"]);
    folder.file("canary", "alive");
    for (number, layer) in ["up.tar", "link.tar"].into_iter().enumerate() {
        for flags in [&[][..], &["--trust-names"]] {
            let name = format!("target{number}{}", flags.len());
            folder.directory(&name);
            let (layer, target) = (folder.text(layer), folder.text(&name));
            let args: Vec<&str> =
                ["apply", &layer, &target].into_iter().chain(flags.to_vec()).collect();
            let ran = folder.try_layer(&args);
            let refused = layer.ends_with("up.tar") && flags.is_empty();
            assert_eq!(ran.code != 0, refused, "{layer}: {}", ran.stderr);
            assert_eq!(fs::read_to_string(folder.path("canary")).unwrap(), "alive", "{layer}");
            assert_eq!(folder.path("canary").metadata().unwrap().nlink(), 1);
            let inside = folder.path(&name).join("canary");
            assert_eq!(inside.exists(), !refused, "what went up has stayed inside");
        }
    }
}
