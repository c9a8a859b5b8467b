//! Programs that the kernel runs for us, in eBPF: here those that decide over devices.
//!
//! cgroup v2 has no file for devices. A program is loaded, which the kernel proves to end and to touch
//! nothing that it may not, and attached to a cgroup: from then on it is asked about every device that
//! a process in there opens or makes.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use trace::Arg;

use crate::args::{Word, fields};
use crate::call;
use crate::error::Result;
use crate::gate::perform;

/// One instruction of a program, as the kernel takes it: `struct bpf_insn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct BpfInstruction {
    /// What to do: a class, an operation or size, a source or mode.
    pub code: u8,
    /// The register that it is done to in the lower four bits, the one it comes from in the upper.
    pub registers: u8,
    /// How many instructions a jump skips, or where in memory something is.
    pub offset: i16,
    /// A constant.
    pub constant: i32,
}

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;

/// The head of `union bpf_attr` for BPF_PROG_LOAD; the kernel takes the rest for zeros.
#[repr(C)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// And for BPF_PROG_ATTACH.
#[repr(C)]
struct Attach {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

/// Loads a program that decides over devices. It is gone with its last descriptor, unless it is
/// attached somewhere.
///
/// - man: bpf(2)
/// - since: Linux 4.15
/// - EPERM: this needs CAP_SYS_ADMIN or CAP_BPF in the first user namespace
/// - EINVAL: this kernel was built without eBPF for cgroups, or does not know an instruction
/// - EACCES: the kernel could not prove that the program ends and touches nothing it may not
/// - E2BIG: the program is longer than this kernel takes
/// - ENOSYS: this kernel was built without eBPF
#[track_caller]
pub fn bpf_load_device_program(program: &[BpfInstruction], why: &'static str) -> Result<OwnedFd> {
    let count = u32::try_from(program.len()).unwrap_or(u32::MAX);
    let shown = fields([
        ("prog_type", Arg::Word("BPF_PROG_TYPE_CGROUP_DEVICE".to_string())),
        ("insn_cnt", Arg::Number(i64::from(count))),
    ]);
    let call = call!("bpf" as "bpf_load_device_program", Word("BPF_PROG_LOAD"), shown);
    perform(call, why, || {
        let request = Load {
            prog_type: PROG_TYPE_CGROUP_DEVICE,
            insn_cnt: count,
            insns: program.as_ptr() as u64,
            // It calls no function of the kernel, so that no license is asked for.
            license: c"".as_ptr() as u64,
            log_level: 0,
            log_size: 0,
            log_buf: 0,
            kern_version: 0,
            prog_flags: 0,
        };
        let (pointer, size) = (&raw const request, size_of::<Load>());
        // SAFETY: `request` is laid out as the kernel's union and says how long `program` is; both
        // live until the call returns, which copies.
        let fd = unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, pointer, size) };
        let fd = i32::try_from(Errno::result(fd)?).expect("descriptors fit into an i32");
        // SAFETY: the kernel has just opened this descriptor for us, nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    })
}

/// Has a program decide over the devices of a cgroup, with those that are attached above it: what one
/// of them refuses is refused.
///
/// - man: bpf(2)
/// - since: Linux 4.15
/// - EPERM: this needs CAP_SYS_ADMIN or CAP_NET_ADMIN in the first user namespace, or a program above
///   allows no other one
/// - EBADF: the directory is none of cgroup v2
#[track_caller]
pub fn bpf_attach_device_program(
    cgroup: BorrowedFd<'_>,
    program: BorrowedFd<'_>,
    why: &'static str,
) -> Result<()> {
    let shown = fields([
        ("target_fd", Arg::Fd(cgroup.as_raw_fd())),
        ("attach_bpf_fd", Arg::Fd(program.as_raw_fd())),
        ("attach_type", Arg::Word("BPF_CGROUP_DEVICE".to_string())),
        ("attach_flags", Arg::Word("BPF_F_ALLOW_MULTI".to_string())),
    ]);
    let call = call!("bpf" as "bpf_attach_device_program", Word("BPF_PROG_ATTACH"), shown);
    perform(call, why, || {
        let number = |fd: BorrowedFd<'_>| u32::try_from(fd.as_raw_fd()).unwrap_or(u32::MAX);
        let request = Attach {
            target_fd: number(cgroup),
            attach_bpf_fd: number(program),
            attach_type: CGROUP_DEVICE,
            attach_flags: ALLOW_MULTI,
        };
        let (pointer, size) = (&raw const request, size_of::<Attach>());
        // SAFETY: `request` is laid out as the kernel's union and lives until the call returns.
        let done = unsafe { libc::syscall(libc::SYS_bpf, PROG_ATTACH, pointer, size) };
        Errno::result(done).map(drop)
    })
}
