//! What does a pull cost: from a registry to files that a container can stand on?
//!
//! All get the same real image from the same registry on loopback, and a file system of their own that
//! was made a moment ago: on one where trees have been deleted, ext4 makes files many times slower.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tests::images::{NAME, Registry, Way, layout, missing};

use crate::programs::beside_me;
use crate::timer::{Cost, Timer};

/// How many bytes the file system of each pull can hold; the file behind it is sparse.
const ROOM: u64 = 8 << 30;

/// How often.
#[derive(clap::Args)]
pub(crate) struct Wanted {
    /// Rounds; the best and the median are shown
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Who pulls.
#[derive(Clone, Copy, PartialEq)]
enum Puller {
    Ours,
    Podman,
    Containerd,
    SkopeoUmoci,
    /// The layers, fetched before and unpacked one after the other: what a shell script would do.
    Tar,
}

/// All of them, in the order of the table.
const PULLERS: [(&str, Puller); 5] = [
    ("porthole: image pull", Puller::Ours),
    ("podman pull", Puller::Podman),
    ("ctr images pull", Puller::Containerd),
    ("skopeo copy, umoci unpack", Puller::SkopeoUmoci),
    ("tar xzf, layer by layer (nothing is fetched)", Puller::Tar),
];

/// Prints the table.
pub(crate) fn compare(wanted: &Wanted) -> Result<()> {
    if let Some(what) = missing().or_else(Registry::missing) {
        bail!("this bench needs {what}");
    }
    let registry = Registry::start(Way::Plain);
    registry.put(&format!("oci:{}:{NAME}", layout().display()), "library/redis:latest");
    let mut costs: [Vec<Cost>; PULLERS.len()] = Default::default();
    for round in 0..wanted.rounds {
        // Who goes first finds another machine than who goes last, so they take turns at that too.
        for place in 0..PULLERS.len() {
            let which = (place + round) % PULLERS.len();
            let (name, puller) = PULLERS[which];
            match pull(puller, &registry.host()) {
                Ok(cost) => costs[which].push(cost),
                Err(error) if round == 0 => println!("not measured: {name}: {error:#}"),
                Err(_) => {}
            }
        }
    }
    tell(&mut costs);
    again(&registry.host())
}

fn tell(costs: &mut [Vec<Cost>]) {
    println!(
        "{:<46} {:>8} {:>8} {:>7} {:>9} {:>9}",
        "from a registry to files", "best s", "median", "ratio", "CPU s", "peak MiB"
    );
    let mut base = 0.0;
    for ((name, puller), costs) in PULLERS.iter().zip(costs) {
        costs.sort_by(|one, other| one.wall.total_cmp(&other.wall));
        let (Some(best), Some(median)) = (costs.first(), costs.get(costs.len() / 2)) else {
            continue;
        };
        if base == 0.0 {
            base = median.wall;
        }
        let ratio = median.wall / base;
        // What containerd spends, its daemon spends: who asked it only waits.
        let own = match puller {
            Puller::Containerd => format!("{:>9} {:>9}", "-", "-"),
            _ => format!("{:>9.2} {:>9.1}", best.processor / 1e3, best.peak as f64 / 1024.0),
        };
        let (best, median) = (best.wall / 1e3, median.wall / 1e3);
        println!("{name:<46} {best:>8.2} {median:>8.2} {ratio:>6.2}× {own}");
    }
}

fn pull(puller: Puller, host: &str) -> Result<Cost> {
    let floor = Floor::make()?;
    let at = |name: &str| floor.place().join(name).to_string_lossy().into_owned();
    let image = format!("{host}/library/redis:latest");
    let mut timer = Timer::start(&[], &floor.place())?;
    let words: Vec<String> = match puller {
        Puller::Ours => vec![
            beside_me("image")?,
            "--root".into(),
            at("store"),
            "pull".into(),
            "--quiet".into(),
            image,
        ],
        Puller::Podman => vec![
            "podman".into(),
            format!("--root={}", at("data")),
            format!("--runroot={}", at("run")),
            "--storage-driver=overlay".into(),
            "pull".into(),
            "--quiet".into(),
            "--tls-verify=false".into(),
            image,
        ],
        Puller::SkopeoUmoci => {
            let script = format!(
                "skopeo copy --quiet --src-tls-verify=false docker://{image} oci:{}:x && \
                 umoci unpack --image {}:x {}",
                at("oci"),
                at("oci"),
                at("bundle")
            );
            vec!["sh".into(), "-c".into(), script]
        }
        Puller::Tar => {
            let root = floor.place().join("root");
            fs::create_dir(&root)?;
            // tar knows nothing of whiteouts, and does not replace a folder by a file: it complains.
            let unpack = |layer: &PathBuf| {
                format!("tar -C {} --xattrs -xzf {} || true; ", root.display(), layer.display())
            };
            let script = layers()?.iter().map(unpack).collect();
            vec!["sh".into(), "-c".into(), script]
        }
        Puller::Containerd => {
            let daemon = Containerd::start(&floor.place())?;
            let socket = daemon.socket.to_string_lossy().into_owned();
            let ctr = ["ctr", "--address", &socket, "images", "pull", "--plain-http", &image];
            return timer.run(&ctr.map(str::to_owned));
        }
    };
    timer.run(&words)
}

/// The files of the layers, the lowest first.
fn layers() -> Result<Vec<PathBuf>> {
    let read = |digest: &Value| -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(blob(digest)?)?)?)
    };
    let index: Value = serde_json::from_slice(&fs::read(layout().join("index.json"))?)?;
    let manifest = read(&index["manifests"][0]["digest"])?;
    let layers = manifest["layers"].as_array().context("a manifest has layers")?;
    layers.iter().map(|layer| blob(&layer["digest"])).collect()
}

fn blob(digest: &Value) -> Result<PathBuf> {
    let digest = digest.as_str().context("a digest is a text")?;
    Ok(layout().join("blobs").join(digest.replace(':', "/")))
}

/// What a pull of an image costs that is there already.
fn again(host: &str) -> Result<()> {
    let floor = Floor::make()?;
    let root = floor.place().join("store").to_string_lossy().into_owned();
    let image = format!("{host}/library/redis:latest");
    let program = beside_me("image")?;
    let words = [&program, "--root", &root, "pull", "--quiet", &image].map(str::to_owned);
    let mut timer = Timer::start(&[], &floor.place())?;
    timer.run(&words)?;
    let second = timer.run(&words)?;
    println!("the same image once more: {:.1} ms", second.wall);
    Ok(())
}

/// A file system that nobody has used, gone when the value is.
struct Floor {
    folder: TempDir,
}

impl Floor {
    fn make() -> Result<Floor> {
        let floor = Floor { folder: TempDir::with_prefix("porthole-bench-")? };
        let file = floor.folder.path().join("file");
        File::create(&file)?.set_len(ROOM)?;
        fs::create_dir(floor.place())?;
        let run = |command: &mut Command| -> Result<()> {
            let output = command.output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Ok(())
        };
        run(Command::new("mkfs.ext4").args(["-q", "-E", "lazy_itable_init=1"]).arg(&file))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&file).arg(floor.place()))?;
        Ok(floor)
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("floor")
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // Podman leaves a mount of its own on its folder.
        let _ = Command::new("umount").arg("--recursive").arg(self.place()).status();
    }
}

/// A containerd of our own.
struct Containerd {
    child: Child,
    socket: PathBuf,
}

impl Containerd {
    fn start(place: &Path) -> Result<Containerd> {
        let at = |name: &str| place.join(name).to_string_lossy().into_owned();
        let settings = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            at("data"),
            at("run"),
            at("socket")
        );
        fs::write(place.join("containerd.toml"), settings)?;
        let mut command = Command::new("containerd");
        command.arg("--config").arg(place.join("containerd.toml"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let daemon = Containerd { child, socket: place.join("socket") };
        let start = Instant::now();
        let asked = || {
            let mut ctr = Command::new("ctr");
            ctr.arg("--address").arg(&daemon.socket).arg("version");
            ctr.stdout(Stdio::null()).stderr(Stdio::null()).status()
        };
        while !asked()?.success() {
            ensure!(start.elapsed() < Duration::from_secs(20), "containerd does not answer");
            sleep(Duration::from_millis(50));
        }
        Ok(daemon)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
