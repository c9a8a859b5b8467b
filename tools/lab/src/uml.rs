//! How is User-Mode Linux started, so that it is quick, quiet and the same every time?
//!
//! User-Mode Linux is a Linux kernel compiled as an ordinary program: its "hardware" is the host's
//! system calls. It needs no privilege, no KVM and no disk image, because it can mount the host's
//! file tree (hostfs).

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::proc;
use crate::session::{Boot, Console, Request};

const INIT: &str = include_str!("../guest/uml.sh");

/// Where Debian's package keeps the kernel's modules; `guest/uml.sh` knows it too.
const MODULES: &str = "/usr/lib/uml/modules";

/// Initialisers of the kernel that measure which of several algorithms is fastest. Only btrfs and
/// software RAID ask for the answer; without them the kernel is up in half a second and not in 1.3.
const SKIPPED: &str = "raid6_select_algo,calibrate_xor_blocks,init_btrfs_fs";

/// Files and arguments for one boot.
pub(crate) fn prepare(request: &Request, place: &Path) -> Result<Boot> {
    let kernel = find_kernel()?;
    if !Path::new("/bin/busybox").exists() {
        bail!("the lab needs /bin/busybox inside: sudo apt-get install busybox-static");
    }
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let environment = match enough_shared_memory(&mounts, request.memory) {
        true => Vec::new(),
        false => vec![("TMPDIR", env::temp_dir())],
    };
    let mut command = vec![kernel.into_os_string()];
    command.extend(arguments(request, place).map(OsString::from));
    Ok(Boot {
        command,
        environment,
        modules: PathBuf::from(MODULES),
        files: vec![("init", INIT.into())],
    })
}

/// The kernel's program, or what to install.
fn find_kernel() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    proc::find_program(&path, "linux.uml").context(
        "User-Mode Linux is not installed: sudo apt-get install user-mode-linux busybox-static\n\
         (or boot with QEMU: --kernel qemu)",
    )
}

/// The kernel's command line.
fn arguments(request: &Request, place: &Path) -> impl Iterator<Item = String> {
    let place = place.display();
    [
        format!("mem={}M", request.memory),
        // The root is the host's tree, read-only: `init` puts an overlay on it.
        "root=/dev/root rootfstype=hostfs rootflags=/ ro".to_owned(),
        format!("init={place}/init"),
        // What the kernel does not know and has a "=" becomes init's environment.
        format!("LAB_DIR={place}"),
        // Its sockets and pid file; removed with the place.
        format!("uml_dir={place} umid=uml"),
        // The first serial port is the line to `lab`; the console is the standard error, so its
        // messages never mix with the output of the command.
        "ssl0=fd:0,fd:1 ssl=null con0=null,fd:2 con=null".to_owned(),
        match request.console {
            Console::Shown => "loglevel=7".to_owned(),
            Console::File => "quiet".to_owned(),
        },
        // 256 pairs of old BSD terminals would fill /dev.
        "pty.legacy_count=0".to_owned(),
        // The same addresses and the same loop counter at every boot make the same output.
        "norandmaps lpj=10000000".to_owned(),
        format!("initcall_blacklist={SKIPPED}"),
    ]
    .into_iter()
    .flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

/// User-Mode Linux keeps its memory in a file below /dev/shm. A container often gets 64 MiB there,
/// and a kernel that runs out of its own memory dies without a word.
fn enough_shared_memory(mounts: &str, memory: u32) -> bool {
    let Some(options) = proc::mount_options(mounts, "/dev/shm") else {
        return true;
    };
    let kib = options.split(',').find_map(|option| option.strip_prefix("size=")?.strip_suffix('k'));
    // Without a size, tmpfs takes half of the machine's memory.
    kib.and_then(|kib| kib.parse::<u64>().ok()).is_none_or(|kib| kib / 1024 > u64::from(memory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Kernel;
    use crate::wire::Order;

    fn request() -> Request {
        Request {
            kernel: Kernel::Uml,
            order: Order::decode(b"atrue\0").unwrap(),
            memory: 300,
            cpus: 1,
            timeout: 0,
            shares: Vec::new(),
            console: Console::File,
        }
    }

    #[test]
    fn the_command_line_names_memory_init_and_line() {
        let arguments: Vec<String> = arguments(&request(), Path::new("/tmp/x")).collect();
        for wanted in ["mem=300M", "init=/tmp/x/init", "LAB_DIR=/tmp/x", "ssl0=fd:0,fd:1", "quiet"]
        {
            assert!(arguments.iter().any(|argument| argument == wanted), "{wanted}: {arguments:?}");
        }
    }

    #[test]
    fn small_shared_memory_is_noticed() {
        let mounts = "shm /dev/shm tmpfs rw,nosuid,size=65536k,mode=1777 0 0\n";
        assert!(!enough_shared_memory(mounts, 512));
        assert!(enough_shared_memory(mounts, 32));
        assert!(enough_shared_memory("shm /dev/shm tmpfs rw 0 0\n", 512));
        assert!(enough_shared_memory("", 512));
    }
}
