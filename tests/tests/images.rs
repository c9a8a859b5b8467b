//! Does a real image go from a real registry to files and back, and are they the same for others?

#![expect(clippy::unwrap_used, reason = "a test whose own files cannot be read fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use libtest_mimic::Trial;
use tempfile::TempDir;
use tests::images::{Entry, NAME, Registry, Way, differences, done, entries, layout, missing};
use tests::places::{Place, has_program};
use tests::programs::program;
use tests::suite;
use trace::{Event, json};

/// A case, under its name, with what it needs besides.
type Named = (&'static str, &'static [&'static str], fn(&'static Bed));

const CASES: &[Named] = &[
    ("its files are those that umoci makes of it", &["umoci"], same_as_umoci),
    ("its files are those that podman shows", &["podman"], same_as_podman),
    ("it is asked for once and not again", &[], once),
    ("it is pushed, and others find the same digest", &["skopeo"], pushed),
    ("its program runs", &[], runs),
];

fn main() -> ExitCode {
    let lacks = missing().or_else(Registry::missing);
    let trial = |(name, needs, case): &Named| {
        let (name, case) = (format!("images/{name}"), *case);
        let lacks = lacks.or(needs.iter().copied().find(|program| !has_program(program)));
        match lacks {
            Some(what) => suite::skipped(name, what),
            None => suite::test(name, move || case(bed())),
        }
    };
    let trials: Vec<Trial> = CASES.iter().map(trial).collect();
    let code = suite::run(trials);
    if let Some(bed) = BED.get() {
        bed.registry.end();
        let _ = fs::remove_dir_all(&bed.folder);
    }
    code
}

/// What all cases share: a registry with the image, and a store into which it was pulled.
struct Bed {
    registry: Registry,
    folder: PathBuf,
}

static BED: OnceLock<Bed> = OnceLock::new();

fn bed() -> &'static Bed {
    BED.get_or_init(|| {
        let registry = Registry::start(Way::Plain);
        let from = format!("oci:{}:{NAME}", layout().display());
        registry.put(&from, "library/redis:latest");
        let folder = TempDir::with_prefix("porthole-images-").unwrap().keep();
        let bed = Bed { registry, folder };
        bed.image(&["pull", "--quiet", &bed.name()]);
        bed
    })
}

impl Bed {
    fn name(&self) -> String {
        format!("{}/library/redis:latest", self.registry.host())
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program("image", Place::Root));
        command.args(["--root", &self.path("store")]).args(words);
        command
    }

    fn image(&self, words: &[&str]) -> String {
        String::from_utf8(done(&mut self.command(words)).stdout).unwrap()
    }

    /// In what the image's files differ from those below `theirs`, as `seen`. The root itself is no entry
    /// of a layer.
    fn differences(&self, theirs: &Path, name: &str, seen: fn(Entry) -> Entry) -> Vec<String> {
        let ours = self.path(name);
        self.image(&["unpack", &self.name(), &ours]);
        let [ours, theirs] = [Path::new(&ours), theirs].map(|root| {
            let found = entries(root).into_iter().filter(|(name, _)| name != Path::new(""));
            found.map(|(name, entry)| (name, seen(entry))).collect::<BTreeMap<_, _>>()
        });
        assert!(ours.len() > 5000, "the image has {} entries", ours.len());
        differences(&ours, &theirs)
    }
}

fn told(differences: &[String]) {
    let some = differences.iter().take(10).cloned().collect::<Vec<_>>().join("\n  ");
    assert!(differences.is_empty(), "{} differences:\n  {some}", differences.len());
}

fn same_as_umoci(bed: &'static Bed) {
    let bundle = bed.path("umoci");
    let image = format!("{}:{NAME}", layout().display());
    done(Command::new("umoci").args(["unpack", "--keep-dirlinks", "--image", &image, &bundle]));
    told(&bed.differences(&Path::new(&bundle).join("rootfs"), "beside-umoci", |entry| entry));
}

fn same_as_podman(bed: &'static Bed) {
    let podman = |words: &[&str]| {
        let mut podman = Command::new("podman");
        podman.arg("--root").arg(bed.path("podman")).arg("--runroot").arg(bed.path("podman-run"));
        podman.args(["--storage-driver", "overlay"]);
        String::from_utf8(done(podman.args(words)).stdout).unwrap()
    };
    podman(&["pull", "--quiet", "--tls-verify=false", &bed.name()]);
    let mounted = podman(&["image", "mount", &bed.name()]);
    let found = bed.differences(Path::new(mounted.trim()), "beside-podman", Entry::undated);
    podman(&["image", "unmount", &bed.name()]);
    // Some versions of it leave a mount of their own on this folder.
    let _ = Command::new("umount").arg(bed.path("podman/overlay")).output();
    told(&found);
}

/// The exchanges with the registry that a pull makes now.
fn exchanges(bed: &Bed) -> Vec<String> {
    let trace = bed.path("trace");
    let flags = ["pull", "--quiet", &bed.name()];
    let window = ["--trace", "json", "--trace-file", &trace];
    let mut image = Command::new(program("image", Place::Root));
    image.args(["--root", &bed.path("store")]).args(window).args(flags);
    done(&mut image);
    let events = json::parse_all(&fs::read_to_string(&trace).unwrap()).unwrap();
    let calls = events.into_iter().filter_map(|event| match event {
        Event::Request(record) => Some(record.call.to_string()),
        _ => None,
    });
    calls.filter(|call| ["GET", "HEAD", "POST", "PUT"].contains(&call.as_str())).collect()
}

fn once(bed: &'static Bed) {
    assert_eq!(exchanges(bed), ["HEAD"]);
}

fn pushed(bed: &'static Bed) {
    let other = Registry::start(Way::Plain);
    let name = format!("{}/a/b:c", other.host());
    bed.image(&["push", "--quiet", &bed.name(), &name]);
    let digest = |name: &str| {
        let mut skopeo = Command::new("skopeo");
        let name = format!("docker://{name}");
        skopeo.args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &name]);
        String::from_utf8(done(&mut skopeo).stdout).unwrap()
    };
    assert_eq!(digest(&name), digest(&bed.name()));
    let copy = bed.path("copy");
    done(Command::new("skopeo").args([
        "copy",
        "--quiet",
        "--src-tls-verify=false",
        &format!("docker://{name}"),
        &format!("oci:{copy}:x"),
    ]));
    other.end();
}

fn runs(bed: &'static Bed) {
    let runtime = program("runtime", Place::Root);
    let runtime = runtime.to_string_lossy();
    let flags = ["run", "--runtime", &runtime, "--entrypoint", ""];
    let words = ["redis-server", "--version"];
    let said = bed.image(&[&flags[..], &[&bed.name()], &words].concat());
    assert!(said.starts_with("Redis server v="), "{said}");
}
