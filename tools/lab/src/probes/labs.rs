//! Which labs can be opened here: which kernels can this machine boot without any privilege?

use std::fs::File;
use std::path::Path;

use super::{Fact, State, program, yes_if};
use crate::qemu;

/// The parts of both labs.
pub(crate) fn facts() -> Vec<Fact> {
    vec![
        part("uml", "linux.uml", "lab run, lab shell")
            .or_else("sudo apt-get install user-mode-linux busybox-static"),
        busybox(),
        part("qemu", "qemu-system-x86_64", "lab run --kernel qemu")
            .or_else("sudo apt-get install qemu-system-x86"),
        qemu_kernel(),
        kvm(),
    ]
}

fn part(name: &'static str, file: &str, means: &'static str) -> Fact {
    let there = program(file).is_some();
    let found = if there { file.to_owned() } else { format!("no {file}") };
    Fact::new(name, yes_if(there), found, means)
}

/// The guests' first program is a shell script, and its shell must be where the script says.
fn busybox() -> Fact {
    let there = Path::new("/bin/busybox").exists();
    let found = if there { "/bin/busybox" } else { "no /bin/busybox" };
    Fact::new("busybox", yes_if(there), found, "the first program in both labs")
        .or_else("sudo apt-get install busybox-static")
}

fn qemu_kernel() -> Fact {
    let means = "the kernel that QEMU boots";
    match qemu::find_kernel() {
        Ok(kernel) => Fact::new("qemu-kernel", State::Yes, kernel.release(), means),
        Err(_) => {
            Fact::new("qemu-kernel", State::No, "none that we may read", means).or_else("lab fetch")
        }
    }
}

/// Not needed; it is here because everybody asks.
fn kvm() -> Fact {
    let open = File::options().read(true).write(true).open("/dev/kvm");
    let found = match &open {
        Ok(_) => "/dev/kvm".to_owned(),
        Err(error) => format!("/dev/kvm: {error}"),
    };
    Fact::new("kvm", yes_if(open.is_ok()), found, "not needed: the labs compute in software")
}
