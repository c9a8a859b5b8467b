//! Where does the kernel for QEMU come from, if nobody may install one?
//!
//! A Debian package can be downloaded and unpacked by anybody; only installing it into /boot needs
//! root. `lab fetch` asks the same apt that installs everything else, so the archive's signatures
//! are checked, and unpacks the package below the user's cache directory.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, id};

use anyhow::{Context, Result, bail, ensure};

/// A package without files, which depends on the newest kernel.
const PACKAGE: &str = "linux-image-amd64";

/// `boot/` and `lib/modules/` of the fetched kernel.
pub(crate) fn place() -> Result<PathBuf> {
    let cache = match (env::var_os("XDG_CACHE_HOME"), env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) => PathBuf::from(home).join(".cache"),
        _ => bail!("neither XDG_CACHE_HOME nor HOME is set: there is no place for a kernel"),
    };
    Ok(cache.join("porthole/kernel"))
}

/// Downloads, unpacks, and puts the result in place all at once.
pub(crate) fn fetch() -> Result<()> {
    let place = place()?;
    let parent = place.parent().context("the cache directory has no parent")?;
    let work = parent.join(format!("fetch-{}", id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let fetched = fetch_into(&work, &place);
    fs::remove_dir_all(&work)?;
    println!("the kernel {} is ready: lab run --kernel qemu COMMAND", fetched?);
    Ok(())
}

fn fetch_into(work: &Path, place: &Path) -> Result<String> {
    let description = run(work, "apt-cache", &["depends", PACKAGE])?;
    let package = dependency(&description).with_context(|| {
        format!("apt knows no {PACKAGE}: is this a Debian, and has `apt-get update` run?")
    })?;
    run(work, "apt-get", &["download", package])?;
    let archive = fs::read_dir(work)?.next().context("apt-get has downloaded nothing")??.path();
    let tree = work.join("tree");
    run(work, "dpkg-deb", &["-x", &archive.display().to_string(), "tree"])?;
    // Debian 13 has moved /lib into /usr/lib inside its packages.
    if !tree.join("lib").exists() {
        fs::rename(tree.join("usr/lib"), tree.join("lib"))?;
    }
    let release = package.strip_prefix("linux-image-").unwrap_or(package);
    run(work, "/bin/busybox", &["depmod", "-b", "tree", release])?;
    unpack_image(&tree.join("boot"), release)?;
    // A lab that runs on the old one notices nothing: what it has open stays.
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    fs::rename(&tree, place).with_context(|| format!("cannot make {}", place.display()))?;
    Ok(release.to_owned())
}

/// The one name after "Depends:" in the answer of `apt-cache depends`.
fn dependency(description: &str) -> Option<&str> {
    let line = description.lines().find(|line| line.trim().starts_with("Depends:"))?;
    line.split_whitespace().nth(1)
}

/// A `vmlinuz` unpacks itself when it boots, which takes an emulated processor three seconds. So it
/// is done here, once; if the format is a new one, the packed kernel boots as well.
fn unpack_image(boot: &Path, release: &str) -> Result<()> {
    let packed = fs::read(boot.join(format!("vmlinuz-{release}")))?;
    let Some(payload) = payload(&packed) else {
        return Ok(());
    };
    let input = boot.join("payload");
    fs::write(&input, payload)?;
    let output = Command::new("xz").arg("--decompress").stdin(File::open(&input)?).output();
    fs::remove_file(&input)?;
    match output {
        Ok(output) if output.status.success() => {
            fs::write(boot.join(format!("vmlinux-{release}")), output.stdout)?;
        }
        _ => eprintln!(
            "lab: xz could not unpack the kernel; it will do so itself, three seconds a boot"
        ),
    }
    Ok(())
}

/// The compressed kernel in a bzImage: see "The Linux/x86 Boot Protocol", fields `setup_sects`,
/// `payload_offset` and `payload_length`. `None` if it is not compressed with xz.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let number = |at: usize| -> Option<usize> {
        let bytes: [u8; 4] = image.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes) as usize)
    };
    let setup = (usize::from(*image.get(0x1f1)?) + 1) * 512;
    let start = setup + number(0x248)?;
    // The last four bytes are the unpacked length, which is not part of the compressed data.
    let payload = image.get(start..start + number(0x24c)?.checked_sub(4)?)?;
    payload.starts_with(b"\xfd7zXZ\0").then_some(payload)
}

fn run(directory: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let line = format!("{program} {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {line}"))?;
    ensure!(output.status.success(), "{line} failed");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dependency_is_the_newest_kernel() {
        let answer = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n";
        assert_eq!(dependency(answer), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(dependency(""), None);
    }

    #[test]
    fn the_payload_is_where_the_header_says() {
        let mut image = vec![0; 2048];
        image[0x1f1] = 1;
        image[0x248] = 16;
        image[0x24c] = 12;
        image[1040..1048].copy_from_slice(b"\xfd7zXZ\0ab");
        assert_eq!(payload(&image), Some(b"\xfd7zXZ\0ab".as_slice()));
        image[1040] = 0x02;
        assert_eq!(payload(&image), None);
        assert_eq!(payload(b"short"), None);
    }
}
