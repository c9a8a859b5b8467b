//! Whole images through all that can go wrong: the error is clear, the store is clean, and the same
//! command succeeds when the registry behaves again.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use image::digest::Digest;
use image::model::Platform;
use image::reference::Reference;
use image::registry::{Registry, Settings};
use image::store::Store;
use image::transfer::progress::Nobody;
use image::transfer::pull::{Pulled, Wishes, pull};
use image::transfer::whole;
use image::unpack::{Budget, Manner};

use crate::fake::{Answer, Fake, Fault, OCI_INDEX, OCI_MANIFEST, part_of};
use crate::images::{put_image, tar, three_layers};
use crate::{bytes, impatient, settings};

pub(crate) fn wishes() -> Wishes {
    Wishes {
        platform: Platform::here(),
        every_platform: false,
        unpacks: true,
        jobs: 2,
        budget: Budget::default(),
        manner: Manner::of_this_process(),
    }
}

fn pull_with(fake: &Fake, root: &Path, settings: &Settings) -> Result<Pulled, String> {
    let registry = Registry::open(&fake.name(), settings).unwrap();
    let reference: Reference = format!("{}/x:t", fake.name()).parse().unwrap();
    let store = Store::open(root).map_err(|error| error.to_string())?;
    pull(&store, &registry, &reference, &wishes(), &Nobody).map_err(|error| whole(&error))
}

fn pulled(fake: &Fake, root: &Path) -> Result<Pulled, String> {
    pull_with(fake, root, &settings())
}

/// Nothing in the store is other than its name says, and nothing half done lies about, but for what is
/// gone on with.
pub(crate) fn clean(root: &Path, name: &str) {
    let checked = Store::open(root).unwrap().check(1).unwrap();
    assert_eq!(checked.findings, [], "{name}");
    let layers = root.join("layers");
    for entry in walk(&layers).keys() {
        let below = entry.strip_prefix(&layers.display().to_string()).unwrap();
        assert!(!below.contains("/."), "{name}: {entry} was left behind");
    }
}

fn walk(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(root).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.path().display().to_string());
        match entry.file_type().unwrap().is_dir() {
            true => {
                found.insert(name, Vec::new());
                found.extend(walk(&path));
            }
            false => drop(found.insert(name, std::fs::read(&path).unwrap())),
        }
    }
    found
}

#[test]
fn an_image_arrives_and_is_asked_for_once() {
    let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
    let layers = three_layers();
    let digest = fake.fill(|contents| put_image(contents, "t", &layers));
    let first = pulled(&fake, root.path()).unwrap();
    assert_eq!((first.image.digest, first.is_new), (digest, true));
    // HEAD and GET of the manifest, the configuration, and three layers: nothing is asked twice.
    assert_eq!(fake.lines().len(), 6, "{:?}", fake.lines());
    clean(root.path(), "first");
    fake.forget();
    assert!(!pulled(&fake, root.path()).unwrap().is_new);
    assert_eq!(fake.lines(), ["HEAD /v2/x/manifests/t"]);

    // Of a new image only what is new is fetched.
    let mut changed = layers;
    changed.push(tar("e", b"new"));
    fake.fill(|contents| put_image(contents, "t", &changed));
    fake.forget();
    assert!(pulled(&fake, root.path()).unwrap().is_new);
    assert_eq!(fake.lines().len(), 4, "{:?}", fake.lines());
}

/// Every fault at every request of a pull (issue "Faults"; PEERS.md 8.2; ATTACKS.md 1.3).
#[test]
fn every_fault_at_every_request_leaves_a_clean_store() {
    type Fix = fn(Answer) -> Answer;
    let faults: &[(&str, Fix)] = &[
        ("reset", |answer| answer.and(Fault::Reset)),
        ("reset half-way", |answer| {
            let half = answer.body.len() / 2;
            answer.and(Fault::ResetAfter(half))
        }),
        ("short body", |answer| {
            let half = answer.body.len() / 2;
            answer.and(Fault::Short(half))
        }),
        ("silence", |answer| answer.and(Fault::Silent(0, Duration::from_secs(1)))),
        ("wrong digest", |mut answer| {
            if let Some(last) = answer.body.last_mut() {
                *last ^= 1;
            }
            answer
        }),
        ("one byte more", |mut answer| {
            answer.body.push(b' ');
            answer
        }),
        ("one byte less", |mut answer| {
            answer.body.pop();
            answer
        }),
        ("endless", |answer| answer.and(Fault::Endless)),
        ("lies: more", |answer| answer.and(Fault::Lies(7))),
        ("lies: less", |answer| answer.and(Fault::Lies(-7))),
        ("401 for ever", |_| {
            Answer::new(401, "{}").with("www-authenticate", "Basic realm=\"never\"")
        }),
        ("404", |_| Answer::new(404, "{}")),
        ("416", |_| Answer::new(416, "")),
        ("429", |_| Answer::new(429, "").with("retry-after", "0")),
        ("500", |_| Answer::new(500, "")),
        ("garbage", |answer| answer.and(Fault::Garbage)),
        ("redirect to nowhere", |_| Answer::new(302, "")),
        ("redirect to nobody", |_| Answer::new(307, "").with("location", "http://127.0.0.2:1/x")),
        ("not JSON, not tar", |_| Answer::new(200, "<html>")),
        ("nothing", |_| Answer::new(200, "")),
    ];
    let layers = three_layers();
    let parts = ["HEAD /manifests/", "GET /manifests/", "GET CONFIG", "GET LAYER0", "GET LAYER1"];
    let mut errors = 0;
    for part in parts {
        for (name, fix) in faults {
            let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
            fake.fill(|contents| put_image(contents, "t", &layers));
            let (method, place) = part.split_once(' ').unwrap();
            let place = match place {
                "LAYER0" => Digest::of(&layers[0]).to_string(),
                "LAYER1" => Digest::of(&layers[1]).to_string(),
                place => place.to_owned(),
            };
            let known: Vec<String> =
                layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
            let fix = *fix;
            fake.misbehave(move |request, contents| {
                let last = request.target.rsplit('/').next().unwrap_or_default();
                let is_config = request.target.contains("/blobs/") && !known.contains(&last.into());
                let meant = match place.as_str() {
                    "CONFIG" => is_config,
                    place => request.target.contains(place),
                };
                let body = contents.blobs.get(last).cloned();
                let document = contents.documents.get(last).cloned();
                (request.method == method && meant).then(|| {
                    let good = match (body, document) {
                        (Some(body), _) => part_of(&body, request.start()),
                        (None, Some((media_type, body))) => {
                            Answer::new(200, body).with("content-type", media_type)
                        }
                        (None, None) => Answer::new(404, ""),
                    };
                    fix(good)
                })
            });
            let name = format!("{name} at {part}");
            let silent = name.contains("silence");
            let patience = if silent { impatient() } else { settings() };
            match pull_with(&fake, root.path(), &patience) {
                Err(error) => {
                    errors += 1;
                    assert!(error.len() > 30 && error.len() < 1200, "{name}: {error}");
                    let names = Store::open(root.path()).unwrap().names().unwrap();
                    assert!(names.is_empty(), "{name}: it has a name already");
                }
                // What is wrong with a HEAD can be made up for by what follows.
                Ok(_) => assert!(part.starts_with("HEAD"), "{name}: nobody noticed"),
            }
            clean(root.path(), &name);
            fake.behave();
            let again = pulled(&fake, root.path());
            assert!(again.is_ok(), "{name}, and again: {:?}", again.err());
            clean(root.path(), &name);
            let store = Store::open(root.path()).unwrap();
            let file = store.layer(&Digest::of(&layers[0])).join("a");
            assert!(std::fs::read(file).unwrap() == bytes(400_000), "{name}");
        }
    }
    assert!(errors > 80, "only {errors} of the faults were errors");
}

/// A download that another command began and that was never finished.
#[test]
fn what_came_before_is_not_fetched_again_and_not_trusted_either() {
    let layers = three_layers();
    for wrong in [false, true] {
        let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
        fake.fill(|contents| put_image(contents, "t", &layers));
        let digest = Digest::of(&layers[0]);
        let cut = digest.to_string();
        fake.misbehave(move |request, contents| {
            let body = contents.blobs.get(&cut)?;
            request.target.contains(&cut).then(|| match request.start() {
                None => Answer::new(200, body.clone()).and(Fault::Short(100_000)),
                Some(_) => Answer::new(404, ""),
            })
        });
        pulled(&fake, root.path()).unwrap_err();
        let partial = root.path().join("ingest").join(digest.to_string().replace(':', "-"));
        let mut begun = std::fs::read(&partial).unwrap();
        assert_eq!(begun.len(), 100_000);
        if wrong {
            begun[50_000] ^= 1;
            std::fs::write(&partial, &begun).unwrap();
        }
        fake.behave();
        fake.forget();
        pulled(&fake, root.path()).unwrap();
        clean(root.path(), "again");
        let starts: Vec<Option<usize>> = fake
            .log()
            .iter()
            .filter(|request| request.target.contains(digest.hex()))
            .map(crate::fake::Request::start)
            .collect();
        match wrong {
            false => assert_eq!(starts, [Some(100_000)]),
            true => assert_eq!(starts, [Some(100_000), None]),
        }
    }
}

/// CVE-2021-41190 and its kin, over the wire.
#[test]
fn a_document_that_could_be_two_things_is_refused() {
    let both = r#"{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}"#;
    let schema1 = r#"{"schemaVersion":1,"name":"x","fsLayers":[]}"#;
    let empty = r#"{"schemaVersion":2}"#;
    let nested = "[".repeat(1_000_000);
    for (media_type, text) in [
        (OCI_MANIFEST, both),
        (OCI_INDEX, both),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", schema1),
        (OCI_MANIFEST, empty),
        (OCI_INDEX, nested.as_str()),
        ("text/html", "<html>"),
    ] {
        let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
        fake.fill(|contents| contents.document("t", media_type, text));
        let error = pulled(&fake, root.path()).unwrap_err();
        assert!(error.len() < 1000, "{media_type}: {error}");
        clean(root.path(), media_type);
    }
}

/// An image is what its manifest says, and each layer what the configuration says.
#[test]
fn a_layer_that_the_configuration_does_not_know_is_refused() {
    let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
    let layers = three_layers();
    fake.fill(|contents| {
        let good = put_image(contents, "good", &layers);
        let (_, manifest) = contents.documents[&good.to_string()].clone();
        let manifest = String::from_utf8(manifest).unwrap();
        // Another layer of the same size in the place of the first.
        let other = tar("z", &bytes(400_001)[1..]);
        let digest = contents.blob(&other);
        let swapped = manifest.replace(Digest::of(&layers[0]).hex(), digest.hex());
        contents.document("t", OCI_MANIFEST, &swapped);
    });
    let error = pulled(&fake, root.path()).unwrap_err();
    assert!(error.contains("not what the configuration says"), "{error}");
    clean(root.path(), "swapped");
}

/// Two hundred tiny layers behind a slow line are not two hundred waits in a row.
#[test]
fn tiny_layers_are_waited_for_together() {
    let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
    let layers: Vec<Vec<u8>> =
        (0..200).map(|n| tar(&format!("f{n}"), format!("{n}").as_bytes())).collect();
    fake.fill(|contents| put_image(contents, "t", &layers));
    let at_once = std::sync::Arc::new(std::sync::Mutex::new((0, 0)));
    let count = at_once.clone();
    fake.misbehave(move |request, _| {
        if request.target.contains("/blobs/") {
            let mut now = count.lock().unwrap();
            now.0 += 1;
            now.1 = now.1.max(now.0);
            drop(now);
            std::thread::sleep(Duration::from_millis(20));
            count.lock().unwrap().0 -= 1;
        }
        None
    });
    pulled(&fake, root.path()).unwrap();
    let most = at_once.lock().unwrap().1;
    assert!(most >= 8, "only {most} were waited for at once");
}

/// Two commands that want the same image fetch each blob once.
#[test]
fn two_pulls_at_once_fetch_once() {
    let (fake, root) = (Fake::new(), tempfile::tempdir().unwrap());
    fake.fill(|contents| put_image(contents, "t", &three_layers()));
    fake.misbehave(|request, contents| {
        let last = request.target.rsplit('/').next()?;
        let body = contents.blobs.get(last)?;
        Some(part_of(body, request.start()).and(Fault::Slow(Duration::from_millis(5))))
    });
    std::thread::scope(|scope| {
        let both = [0, 1].map(|_| scope.spawn(|| pulled(&fake, root.path())));
        both.into_iter().for_each(|one| drop(one.join().unwrap().unwrap()));
    });
    let layers = three_layers();
    for layer in layers {
        let digest = Digest::of(&layer);
        let asked = fake.lines().iter().filter(|line| line.contains(digest.hex())).count();
        assert_eq!(asked, 1, "{:?}", fake.lines());
    }
    clean(root.path(), "both");
}

/// The program itself, killed in place of each of its requests, or refused it.
#[test]
fn killed_or_refused_at_any_request_the_same_command_succeeds_afterwards() {
    let fake = Fake::new();
    fake.fill(|contents| put_image(contents, "t", &three_layers()));
    let name = format!("{}/x:t", fake.name());
    for (flag, suffix) in [("--kill-at", ""), ("--fail-at", "=EIO")] {
        let mut ends = 0;
        for nth in 1..200 {
            let root = tempfile::tempdir().unwrap();
            let at = format!("parent:{nth}{suffix}");
            let image = |more: &[&str]| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_image"));
                command.arg("--root").arg(root.path()).args(more).output().unwrap()
            };
            let said = image(&["pull", "-q", &name, "--trace", "off", flag, &at]);
            let errors = String::from_utf8_lossy(&said.stderr).into_owned();
            if errors.contains("there were only") {
                break;
            }
            ends += usize::from(!said.status.success());
            let again = image(&["pull", "-q", &name]);
            let says = String::from_utf8_lossy(&again.stderr).into_owned();
            assert!(again.status.success(), "{flag} {at}: {errors}, then {says}");
            clean(root.path(), &format!("{flag} {at}"));
        }
        assert!(ends > 20, "{flag}: only {ends} requests ended it");
    }
}

/// A disk that is full half-way.
#[test]
fn a_full_disk_is_an_error_and_not_the_end() {
    let fake = Fake::new();
    fake.fill(|contents| put_image(contents, "t", &three_layers()));
    let place = tempfile::tempdir().unwrap();
    let script = r#"
        mount -t tmpfs -o size=600k none "$1" || exit 77
        "$2" --root "$1/store" pull -q "$3" && exit 1
        mount -o remount,size=100m "$1"
        "$2" --root "$1/store" pull -q "$3" && "$2" --root "$1/store" fsck"#;
    let said = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(place.path())
        .args([env!("CARGO_BIN_EXE_image"), &format!("{}/x:t", fake.name())])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&said.stderr).into_owned();
    if !crate::may_be_skipped("mounting", said.status.code() == Some(77)) {
        assert!(said.status.success() && errors.contains("ENOSPC"), "{said:?}");
    }
}
