//! How is QEMU started, and what does its kernel need before it can see the host's files?
//!
//! QEMU computes a whole machine in software. Its kernel is Debian's standard one, with all
//! controllers, namespaces, several processors and modules for everything. The host's file tree
//! comes over 9p, which needs modules that the kernel must be given first, in an initramfs.
//!
//! Why not Debian's smaller cloud kernel? It has no 9p. Why not the smaller machine `microvm`? Its
//! only reference clock is the PIT, and 2 of 8 plain boots hung in the calibration of the time stamp
//! counter, more of them on a busy host. Of 24 plain boots of `q35`, four at a time, none did.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::{env, process::Command};

use anyhow::{Context, Result, ensure};

use crate::cpio::Archive;
use crate::proc;
use crate::session::{Boot, CONSOLE, Console, Request};

const INIT: &str = include_str!("../guest/qemu.sh");
const EMULATOR: &str = "qemu-system-x86_64";

/// The modules that the initramfs must load: the line to `lab`, the host's files, the overlay.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];

/// Every mount of the initramfs needs a directory.
const DIRECTORIES: [&str; 6] = ["bin", "dev", "host", "lab", "modules", "proc"];

/// A kernel and its modules.
pub(crate) struct Kernel {
    /// unpacked (`vmlinux`) or packed (`vmlinuz`)
    image: PathBuf,
    /// the directory that holds one directory a release
    modules: PathBuf,
    release: String,
}

impl Kernel {
    /// As `uname -r` will say.
    pub(crate) fn release(&self) -> &str {
        &self.release
    }
}

/// Files and arguments for one boot.
pub(crate) fn prepare(request: &Request, place: &Path) -> Result<Boot> {
    ensure!(ARCH == "x86_64", "the QEMU lab is made for x86_64, and this is {ARCH}");
    let path = env::var_os("PATH").unwrap_or_default();
    let emulator = proc::find_program(&path, EMULATOR)
        .context("QEMU is not installed: sudo apt-get install qemu-system-x86 busybox-static")?;
    let kernel = find_kernel()?;
    let files = vec![("initrd", initramfs(&kernel)?)];
    let mut command = vec![emulator.into_os_string()];
    let arguments = arguments(request, &kernel.image, place);
    command.extend(arguments.into_iter().map(Into::into));
    Ok(Boot { command, environment: Vec::new(), modules: kernel.modules, files })
}

/// The kernel that `lab fetch` has brought, or one that is installed and may be read.
pub(crate) fn find_kernel() -> Result<Kernel> {
    let fetched = crate::fetch::place().ok().and_then(|place| kernel_below(&place));
    fetched
        .or_else(|| kernel_below(Path::new("/")))
        .context("there is no kernel for QEMU yet: run `lab fetch` (70 MB from Debian's archive)")
}

/// The newest one of `ROOT/boot` whose modules are complete, unpacked rather than packed.
fn kernel_below(root: &Path) -> Option<Kernel> {
    let modules = root.join("lib/modules");
    let names = fs::read_dir(root.join("boot"))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // "vmlinux-6.1" sorts before "vmlinuz-6.1"; what is unpacked boots three seconds sooner.
    let mut names: Vec<String> = names.filter(|name| name.starts_with("vmlinu")).collect();
    names.sort_by(|one, other| {
        let (one, other) = (one.split_once('-'), other.split_once('-'));
        other
            .map(|(_, release)| release)
            .cmp(&one.map(|(_, release)| release))
            .then(one.cmp(&other))
    });
    names.into_iter().find_map(|name| {
        let (_, release) = name.split_once('-')?;
        let image = root.join("boot").join(&name);
        // Ubuntu lets only root read its kernels.
        fs::File::open(&image).ok()?;
        let table = fs::read_to_string(modules.join(release).join("modules.dep")).ok()?;
        load_order(&table, &MODULES).ok()?;
        Some(Kernel { image, modules: modules.clone(), release: release.to_owned() })
    })
}

fn arguments(request: &Request, image: &Path, place: &Path) -> Vec<String> {
    let console = match request.console {
        Console::File => place.join(CONSOLE),
        Console::Shown => PathBuf::from("/dev/stderr"),
    };
    let mut arguments: Vec<String> = [
        // No device that we did not ask for, no window, and a crash is an end and not a reboot.
        "-nodefaults -no-user-config -display none -no-reboot",
        "-machine q35,accel=tcg -cpu max",
        // The line to `lab`: a virtio port on our standard input and output.
        "-chardev stdio,id=line,signal=off -device virtio-serial-pci",
        "-device virtserialport,chardev=line,name=lab",
    ]
    .into_iter()
    .flat_map(|line| line.split(' ').map(str::to_owned))
    .collect();
    let mut add = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    add("-smp", request.cpus.to_string());
    add("-m", request.memory.to_string());
    add("-kernel", image.display().to_string());
    add("-initrd", place.join("initrd").display().to_string());
    add("-append", kernel_line(request.console, place));
    add("-chardev", format!("file,id=console,append=on,path={}", escape(&console)));
    add("-serial", "chardev:console".to_owned());
    let trees = request.shares.iter().enumerate();
    add("-fsdev", format!("{},readonly=on", tree("root", Path::new("/"))));
    add("-device", "virtio-9p-pci,fsdev=root,mount_tag=root".to_owned());
    for (number, share) in trees {
        let name = format!("share{number}");
        add("-fsdev", tree(&name, share));
        add("-device", format!("virtio-9p-pci,fsdev={name},mount_tag={name}"));
    }
    arguments
}

/// A file tree for 9p. "none" means: files are made as the user who runs QEMU, and a chown that
/// this user may not do is forgotten.
fn tree(name: &str, path: &Path) -> String {
    format!("local,id={name},security_model=none,multidevs=remap,path={}", escape(path))
}

/// In QEMU's options a comma in a value is written twice.
fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

fn kernel_line(console: Console, place: &Path) -> String {
    let loud = match console {
        Console::Shown => "loglevel=7",
        Console::File => "quiet",
    };
    [
        "console=ttyS0",
        loud,
        // A kernel that panics restarts at once, which ends QEMU.
        "panic=-1",
        // The same addresses at every boot make the same output.
        "norandmaps nokaslr",
        // There is no neighbour to protect this machine from, and protection is slow in software.
        "mitigations=off",
        &format!("LAB_DIR={}", place.display()),
    ]
    .join(" ")
}

/// busybox, the first program, and the modules in the order of loading.
fn initramfs(kernel: &Kernel) -> Result<Vec<u8>> {
    let busybox = fs::read("/bin/busybox")
        .context("the lab needs /bin/busybox: sudo apt-get install busybox-static")?;
    let mut archive = Archive::new();
    for name in DIRECTORIES {
        archive.directory(name);
    }
    archive.program("bin/busybox", &busybox);
    archive.program("init", INIT.as_bytes());
    let modules = kernel.modules.join(&kernel.release);
    let table = fs::read_to_string(modules.join("modules.dep"))?;
    for (number, file) in load_order(&table, &MODULES)?.iter().enumerate() {
        let content = read_module(&modules.join(file))?;
        archive.program(&format!("modules/{number:02}.ko"), &content);
    }
    Ok(archive.finish())
}

/// A module as the kernel takes it. Newer Debians compress them.
fn read_module(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    }
    let output = Command::new("/bin/busybox").args(["xzcat"]).arg(path).output()?;
    ensure!(output.status.success(), "cannot unpack the module {}", path.display());
    Ok(output.stdout)
}

/// The files to load, each after what it needs, from `modules.dep`: a line names a file and, after
/// the colon, everything it needs, the most basic last.
fn load_order(table: &str, wanted: &[&str]) -> Result<Vec<String>> {
    let mut order: Vec<String> = Vec::new();
    for name in wanted {
        let line = table.lines().find_map(|line| {
            let (file, needs) = line.split_once(':')?;
            (module_name(file) == *name).then_some((file, needs))
        });
        let (file, needs) = line.with_context(|| format!("the kernel has no module {name}"))?;
        for file in needs.split_whitespace().rev().chain([file]) {
            if !order.iter().any(|known| known == file) {
                order.push(file.to_owned());
            }
        }
    }
    Ok(order)
}

/// "kernel/fs/9p/9p.ko.xz" → "9p".
fn module_name(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session;
    use crate::wire::Order;

    const TABLE: &str = "kernel/a/base.ko:\n\
        kernel/a/middle.ko: kernel/a/base.ko\n\
        kernel/b/top.ko.xz: kernel/a/middle.ko kernel/a/base.ko\n";

    #[test]
    fn a_module_comes_after_what_it_needs() {
        let order = load_order(TABLE, &["middle", "top"]).unwrap();
        assert_eq!(order, ["kernel/a/base.ko", "kernel/a/middle.ko", "kernel/b/top.ko.xz"]);
        assert!(load_order(TABLE, &["absent"]).is_err());
    }

    #[test]
    fn every_share_is_a_tree_of_its_own() {
        let request = Request {
            kernel: session::Kernel::Qemu,
            order: Order::decode(b"atrue\0").unwrap(),
            memory: 256,
            cpus: 2,
            timeout: 0,
            shares: vec!["/work/a,b".into()],
            console: Console::File,
        };
        let line = arguments(&request, Path::new("/k"), Path::new("/tmp/x")).join(" ");
        assert!(line.contains("-smp 2 -m 256 -kernel /k -initrd /tmp/x/initrd"), "{line}");
        assert!(line.contains("id=root,security_model=none,multidevs=remap,path=/,readonly=on"));
        assert!(line.contains("path=/work/a,,b"), "{line}");
        assert!(line.contains("mount_tag=share0"), "{line}");
    }
}
