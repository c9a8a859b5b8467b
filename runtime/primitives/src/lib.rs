//! Floor 1, the gate: how does any program of this workspace ask the kernel for something?
//!
//! Through one function here for each request, and every one of them through [`perform`]. The
//! functions keep the names of the man pages; where one call of the kernel does different things by
//! its flags there are several honest ones ([`mount_bind`], [`mount_change`]). Each takes, last, the
//! reason for the request, because the reason is part of the trace.
//!
//! The doc comment of each primitive is also its card in the book ([`cards`]).
//!
//! Nothing outside this crate names `nix`, `libc` or `unsafe`, or has an effect on the machine.

mod addresses;
mod args;
#[cfg(target_arch = "x86_64")]
mod before_main;
mod beneath;
mod bpf;
mod capabilities;
mod capture;
pub mod cards;
mod cgroup;
pub mod clean_up;
mod consult;
mod copying;
mod descriptors;
mod door;
mod durable;
mod error;
mod exchange;
mod exec;
mod files;
mod flocks;
mod gate;
mod hand_over;
mod ids;
mod jobs;
mod landlock;
mod line;
mod links;
mod looking;
mod making;
mod metadata;
mod mount;
mod mount_tree;
mod names;
mod namespaces;
mod netlink;
mod netlink_words;
mod notify;
mod packets;
mod part;
mod parting;
mod patience;
mod persona;
mod pieces;
mod process;
mod program;
mod relay;
mod rlimit;
mod scheduling;
mod seal;
mod seccomp;
mod send;
mod shared;
mod signals;
mod spawn;
mod spent;
mod successor;
mod talk;
mod tcp;
mod timestamp;
mod trees;
mod tty;
mod untrusted;
mod wait;
mod window;
mod wires;

pub use addresses::{
    Address, Cidr, Route, address_add, addresses_of, route_add, routes, routes_of,
};
pub use args::{ToArg, Word};
pub use beneath::{
    FileKind, Seen, fchownat, is_on_procfs, last_words, link_target, look_at, mkdirat, mknodat,
    openat2_itself, openat2_without_links, symlinkat, unlinkat,
};
pub use bpf::{BpfInstruction, bpf_attach_device_program, bpf_load_device_program};
pub use capabilities::{
    Capabilities, CapabilitySets, CapabilityState, SecureBits, capabilities_of, capset,
    own_securebits, prctl_cap_ambient_clear_all, prctl_cap_ambient_raise, prctl_capbset_drop,
    prctl_set_keepcaps, prctl_set_securebits,
};
pub use capture::output_of;
pub use cgroup::{CgroupFile, write_pid};
pub use consult::{Said, consult};
pub use copying::{copy_file_at, fchmodat, names_in};
pub use door::{Door, has_become_another};
pub use durable::{create_durably, is_locked, lock_file, locked_by};
pub use error::errno_from_name;
pub use error::{CANNOT_EXECUTE, Error, Failure, NOT_FOUND, OWN_FAILURE, Refusal, Result};
pub use exchange::{
    Answer, broken_off, cause_of, exchange, may_pass, outlive_closed_connections, without_secrets,
};
pub use exec::{execve, execve_behind, find_program, lifelines};
pub use files::{
    chdir, create, create_unnamed, fchdir, link_fd, memfd_create_inheritable, mkdir, mkdtemp,
    mknod_character, open_path, openat2_in_root, read_small, rmdir, symlink, unlink, write,
};
pub use flocks::{
    flock_exclusive, flock_exclusive_now, flock_shared, flock_shared_now, is_busy, is_named,
    open_to_write,
};
pub use gate::{Call, Shown, perform, rescue, step, step_giving};
pub use hand_over::receive_fds;
pub use ids::{
    Helper, IdMap, deny_setgroups, own_ids, run_map_helper, setgroups, setresgid, setresuid,
    write_gid_map, write_uid_map,
};
pub use jobs::{
    Pty, block_signals, kill_all, kill_group, openpty, set_controlling_terminal, setpgid,
    tcsetpgrp, unblock_signals, wait_for_signal,
};
pub use landlock::{
    LandlockAccess, landlock_abi, landlock_add_path, landlock_create_ruleset,
    landlock_restrict_self,
};
pub use line::{Parting, ToParent};
pub use links::set_link_up;
pub use looking::kind_at;
pub use making::{
    Content, Unfilled, create_at, fchmod, fsetxattr, futimens, linkat, open_directory_at,
    open_directory_in_root, read_in_root, rmdirat, utimensat_in,
};
pub use metadata::{
    Timestamp, chmod, lchown, lgetxattr, link, llistxattr, lremovexattr, lsetxattr, mkfifo,
    mknod_block, rename, umask, utimensat,
};
pub use mount::{
    Recursive, chroot, fsconfig_create, fsconfig_flag, fsconfig_set, fsmount, fsopen, mount_bind,
    mount_change, mount_move, mount_new, mount_remount, mount_setattr, move_mount, move_mount_into,
    move_mount_onto, open_tree, pivot_root, umount,
};
pub use mount_tree::{
    MountChange, fsconfig_reconfigure, fspick, is_mounted_readonly, mount_setattr_to,
    open_tree_copy, open_tree_of,
};
pub use names::{hostname, setdomainname, sethostname};
pub use namespaces::{
    KINDS, Namespace, Namespaces, inode_of, namespaces_of, open_namespace, owner_of, owner_uid,
    parent_of, setns, setns_of_process, unshare,
};
pub use nix::errno::Errno;
pub use nix::mount::{MntFlags, MsFlags};
pub use nix::sys::signal::Signal;
pub use nix::sys::stat::FileStat;
pub use nix::unistd::{Pid, getpid, getppid};
pub use notify::{
    Notification, Reply, SystemCall, await_notification, seccomp_hand_over_listener,
    seccomp_listen, seccomp_notif_addfd, seccomp_notif_id_valid, seccomp_notif_let_pass,
    seccomp_notif_recv, seccomp_notif_send,
};
pub use packets::{Ends, descendants_of, inherited_fd, mount_of, packet_pair, send_packet};
pub use part::play;
pub use persona::{
    Keyring, Persona, keyctl_join_session_keyring, keyctl_setperm, keyring_permissions,
    personality, prctl_set_dumpable, write_oom_score_adj,
};
pub use pieces::{fsync, fsync_directory, ftruncate, write_all};
pub use process::{
    children, close_range_on_exec, dup2, kill, pidfd_open, pidfd_send_signal,
    pidfd_send_signal_number, prctl_clear_pdeathsig, prctl_set_child_subreaper,
    prctl_set_no_new_privs, prctl_set_pdeathsig, setsid, started_and_ended,
};
pub use program::{become_program, become_program_behind, own_environment, run, run_logged};
pub use relay::{HeldSignals, RawMode, hold_signals, raw_mode, relay};
pub use rlimit::{Limit, Resource, prlimit};
pub use rustix::mount::MountAttrFlags;
pub use scheduling::{
    IoUrgency, MemoryFlags, MemoryMode, Policy, SchedAttr, SchedFlags, ioprio_set,
    sched_setaffinity, sched_setattr, set_mempolicy,
};
pub use seal::{copy_sealed, execveat, seal_own_program};
pub use seccomp::{
    FilterFlags, Instruction, ReadyFilter, seccomp_action_available, seccomp_on_execve,
    seccomp_set_mode_filter,
};
pub use send::send_bytes;
pub use signals::default_signals;
pub use spawn::{Birth, Child, fork, spawn};
pub use spent::{Spent, spent_by_children};
pub use talk::{
    accept_unix, await_any, create_appending, has_something, listen_unix, pass_on, send_fds_to,
    signalfd,
};
pub use tcp::{tcp_connect, tcp_listen, tcp_send};
pub use timestamp::now;
pub use trees::{clean_up_tree, is_link_error, open_beneath, open_directory, remove_tree};
pub use tty::{
    WindowSize, clear_onlcr, connect_unix, is_in_devpts, open_peer, open_ptmx, send_fd_to,
    set_window_size, unlock_peer, window_size,
};
pub use untrusted::{
    current_directory, fchown, is_terminal, may_execute, read_untrusted, stat_of, write_own_proc,
    write_sysctl,
};
pub use wait::{Status, Waited, wait, wait_any, wait_any_changed, wait_any_ended, wait_pidfd};
pub use window::out::say;
pub use window::{Form, WindowArgs, open as watch};
pub use wires::{
    Link, Netns, link_delete, link_move, link_named, link_new_bridge, link_new_veth,
    link_new_veth_into, link_rename, link_set_down, link_set_master, link_set_up, links,
};
