//! An image that is real: Debian with a Redis in it, in four layers, as an OCI image layout.
//!
//! It is made once, by debootstrap and umoci, and kept below `target`: a minute, and 300 MB.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::done;
use crate::places::{has_program, is_root};
use crate::programs::workspace;

/// The name of the image in its layout.
pub const NAME: &str = "redis";

/// The parts of the tree that become the first three layers. The fourth changes what they hold.
const PARTS: [(&str, &[&str]); 3] = [
    ("base", &["--exclude=./usr/*", "."]),
    ("programs", &["--exclude=./usr/share/*", "./usr"]),
    ("data", &["./usr/share"]),
];

/// What the fourth layer does to the tree: it removes, replaces, links, and changes modes. No file comes
/// where a directory was: umoci writes whiteouts below it then, and containerd refuses them.
const CHANGES: &str = "set -e
rm -rf usr/share/doc usr/share/man var/cache/apt/archives
rm etc/motd; ln -s issue etc/motd
rm -rf usr/share/common-licenses; mkdir usr/share/common-licenses
echo opaque > usr/share/common-licenses/README
chmod 4711 usr/bin/redis-cli
ln usr/bin/redis-cli usr/bin/another-name
mkdir -p data; chown 101:102 data; chmod 700 data
mkfifo run/a-fifo
setfattr -n user.porthole -v 'an attribute' etc/hostname
touch -d '2001-02-03 04:05:06.789012345' etc/hostname
truncate -s 8M var/lib/sparse; echo end >> var/lib/sparse
printf 'bind 0.0.0.0\\nprotected-mode no\\ndir /data\\n' > etc/redis.conf";

/// What this machine lacks to make it; none when it can.
pub fn missing() -> Option<&'static str> {
    if !is_root() {
        return Some("root");
    }
    let wanted = ["debootstrap", "umoci", "skopeo", "setfattr", "tar"];
    wanted.into_iter().find(|name| !has_program(name))
}

/// The folder of the layout.
///
/// # Panics
/// When it cannot be made.
pub fn layout() -> &'static Path {
    static LAYOUT: OnceLock<PathBuf> = OnceLock::new();
    LAYOUT.get_or_init(|| {
        let kept = workspace().join("target/real-image");
        if !kept.exists() {
            let making = TempDir::with_prefix_in("real-image-", workspace().join("target"))
                .expect("there is a folder for what is built");
            make(making.path());
            fs::rename(making.path().join("layout"), &kept).expect("a folder can be renamed");
        }
        kept
    })
}

fn make(folder: &Path) {
    let tree = folder.join("tree");
    let layout = folder.join("layout");
    let (mirror, release) = source();
    done(
        Command::new("debootstrap")
            .args(["--variant=minbase", "--include=redis-server", &release])
            .arg(&tree)
            .arg(&mirror)
            .stdin(Stdio::null()),
    );
    let image = format!("{}:{NAME}", layout.display());
    umoci(&["init", "--layout", &layout.to_string_lossy()]);
    umoci(&["new", "--image", &image]);
    for (name, what) in PARTS {
        let tar = folder.join(name);
        let mut packer = Command::new("tar");
        packer.args(["--create", "--numeric-owner", "--xattrs", "--sort=name", "--sparse"]);
        packer.arg("--file").arg(&tar).arg("--directory").arg(&tree).args(what);
        done(&mut packer);
        umoci(&["raw", "add-layer", "--image", &image, &tar.to_string_lossy()]);
    }
    let bundle = folder.join("bundle").to_string_lossy().into_owned();
    umoci(&["unpack", "--keep-dirlinks", "--image", &image, &bundle]);
    let rootfs = format!("{bundle}/rootfs");
    done(Command::new("sh").args(["-c", CHANGES]).current_dir(rootfs));
    umoci(&["repack", "--image", &image, &bundle]);
    umoci(&["config", "--image", &image, "--config.workingdir", "/data", "--config.user", "redis"]);
    let set = ["--config.exposedports", "6379/tcp", "--config.volume", "/data"];
    umoci(&[&["config", "--image", &image][..], &set].concat());
    let words = ["--config.entrypoint", "redis-server", "--config.cmd", "/etc/redis.conf"];
    umoci(&[&["config", "--image", &image][..], &words].concat());
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    umoci(&["config", "--image", &image, "--config.env", path, "--os", "linux"]);
    umoci(&["gc", "--layout", &layout.to_string_lossy()]);
}

fn umoci(words: &[&str]) {
    done(Command::new("umoci").args(words).stdin(Stdio::null()));
}

/// From where this machine has its packages, and of which release.
fn source() -> (String, String) {
    let words = ["indextargets", "--format", "$(SITE) $(RELEASE)", "Identifier: Packages"];
    let known = done(Command::new("apt-get").args(words)).stdout;
    let known = String::from_utf8_lossy(&known).into_owned();
    // Beside the release itself there are its updates: "NAME-updates", "NAME-security".
    let (mirror, release) = known
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(_, release)| !release.contains('-'))
        .expect("apt knows from where it has its packages: apt-get update makes it so");
    (mirror.to_owned(), release.to_owned())
}
