//! Where does a runtime do otherwise, and what decides it?
//!
//! One line each: whose, where (a host's name, or any), in which case, in which check (or any), and
//! the sentence of the specification, or the version, that decides. A line whose difference is not
//! seen any more fails the test, so the list stays true.

/// Something that a runtime does otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The runtime's name.
    pub runtime: &'static str,
    /// `v1`, `v2`, `rootless`, or empty for everywhere.
    pub host: &'static str,
    /// The case.
    pub case: &'static str,
    /// The check, or empty for all of them.
    pub check: &'static str,
    /// What decides.
    pub why: &'static str,
    /// Whether it is seen each time; what depends on who comes first is not.
    pub always: bool,
}

impl Difference {
    /// Whether it is about this check.
    pub fn covers(&self, check: &str) -> bool {
        self.check.is_empty() || self.check == check
    }
}

/// The lines about a case.
pub fn known(runtime: &str, host: &str, case: &str) -> Vec<&'static Difference> {
    let is_it = |line: &&Difference| {
        line.runtime == runtime && line.case == case && (line.host.is_empty() || line.host == host)
    };
    DIFFERENCES.iter().filter(is_it).collect()
}

const fn d(
    runtime: &'static str,
    host: &'static str,
    case: &'static str,
    check: &'static str,
    why: &'static str,
) -> Difference {
    Difference { runtime, host, case, check, why, always: true }
}

/// The same, of something that is a race.
const fn race(line: Difference) -> Difference {
    Difference { always: false, ..line }
}

/// The list.
pub const DIFFERENCES: &[Difference] = &[
    d(
        "runc",
        "",
        "mounts/options",
        "defaults",
        "config.md, Linux mount options: \"Runtimes MUST implement the following option strings\"; it passes \"defaults\" on to the file system",
    ),
    d("runc", "", "mounts/idmap", "", "older than config.md 1.1, idmap"),
    d(
        "runc",
        "",
        "propagation/root",
        "shared",
        "config-linux.md: \"shared: the rootfs mount belongs to a new peer group\"",
    ),
    d(
        "runc",
        "",
        "propagation/root",
        "unbindable",
        "config-linux.md: \"Its value is either shared, slave, private or unbindable\"; it makes / unbindable and then wants to bind it",
    ),
    d(
        "runc",
        "",
        "process/user-large",
        "",
        "the schema: uid and gid are uint32; it takes an int32",
    ),
    d(
        "runc",
        "",
        "process/rlimits-twice",
        "",
        "config.md: \"If rlimits contains duplicated entries with same type, the runtime MUST generate an error\"",
    ),
    d("runc", "", "scheduling/policy", "", "older than config.md 1.1, scheduler"),
    d("runc", "", "scheduling/nice", "", "older than config.md 1.1, scheduler"),
    d("runc", "", "scheduling/wrong", "", "older than config.md 1.1, scheduler"),
    d("runc", "", "scheduling/io", "", "older than config.md 1.1, ioPriority"),
    d("runc", "", "scheduling/personality", "", "1.1.5 does not know linux.personality"),
    d("runc", "", "scheduling/personality-wrong", "", "1.1.5 does not know linux.personality"),
    d(
        "runc",
        "",
        "namespaces/relative-path",
        "",
        "config-linux.md: \"This value MUST be an absolute path in the runtime mount namespace\"",
    ),
    d("runc", "", "namespaces/time", "", "older than config-linux.md 1.1, time namespaces"),
    d("runc", "", "namespaces/domainname", "", "older than config.md 1.1, domainname"),
    d(
        "runc",
        "",
        "devices/existing-file",
        "",
        "config-linux.md: \"If a file already exists at path that does not match the requested device, the runtime MUST generate an error\"",
    ),
    d("runc", "", "resources/cpu-burst-v1", "", "older than config-linux.md 1.1, burst"),
    d("runc", "", "resources/cpu-idle-v1", "", "older than config-linux.md 1.1, idle"),
    d("runc", "", "resources/cpu-burst-v2", "", "older than config-linux.md 1.1, burst"),
    d("runc", "", "resources/cpu-idle-v2", "", "older than config-linux.md 1.1, idle"),
    d(
        "runc",
        "",
        "seccomp/flags",
        "",
        "config-linux.md: \"A valid list of constants is shown below\"; 1.1.5 refuses all flags",
    ),
    d(
        "runc",
        "",
        "seccomp/errno-for-kill",
        "",
        "config-linux.md: \"When the action doesn't support an errno, the runtime MUST print and error and fail\"",
    ),
    d(
        "runc",
        "",
        "paths/masked-relative",
        "",
        "config-linux.md: \"The values MUST be absolute paths in the container namespace\"",
    ),
    d(
        "runc",
        "",
        "hooks/order",
        "all of them",
        "runtime.md, Lifecycle 10: poststart hooks come after startContainer hooks and the start of the program",
    ),
    d(
        "runc",
        "",
        "hooks/when",
        "",
        "config.md: poststart hooks are called \"after the user-specified process is executed but before the start operation returns\"",
    ),
    d(
        "runc",
        "",
        "hooks/status",
        "poststart",
        "config.md: poststart hooks are called \"after the user-specified process is executed\"",
    ),
    d(
        "runc",
        "",
        "hooks/failing-poststop",
        "the next one is called",
        "runtime.md, Lifecycle 13: \"the remaining hooks and lifecycle continue as if the hook had succeeded\"",
    ),
    d("runc", "", "annotations/no-json", "\"null\"", "a panic is no error message"),
    d("runc", "", "annotations/version-missing", "", "config.md: ociVersion is REQUIRED"),
    d(
        "runc",
        "",
        "annotations/version-of-others",
        "",
        "config.md: ociVersion \"MUST be in SemVer v2.0.0 format\"",
    ),
    d(
        "runc",
        "",
        "exec/inherits",
        "umask",
        "config.md, User: umask is part of the process, and 1.1.5 forgets it in exec",
    ),
    race(d(
        "runc",
        "",
        "exec/inherits",
        "rlimits",
        "the runtime of Go 1.19 raises the soft limit of open files",
    )),
    race(d(
        "runc",
        "",
        "exec/process-file",
        "rlimits",
        "the runtime of Go 1.19 raises the soft limit of open files",
    )),
    d("runc", "", "exec/users", "4294967296", "a user that is too large becomes another one"),
    d(
        "crun",
        "",
        "lifecycle/create-invalid-id",
        "\"a b\"",
        "what an id may be is for the runtime to say (runtime.md, Create: \"or is not valid in any other way\"); runc's rule is taken",
    ),
    d(
        "crun",
        "",
        "lifecycle/kill-sends-the-signal",
        "no such signal",
        "runtime.md, Kill: \"MUST send the specified signal\"; 1.8.1 takes an unknown name for 0",
    ),
    d(
        "crun",
        "",
        "mounts/options",
        "nosymfollow",
        "config.md, Linux mount options; 1.8.1 does not know it",
    ),
    d(
        "crun",
        "",
        "mounts/options-recursive",
        "",
        "config.md, Linux mount options: recursive ones; 1.8.1 asks mount_setattr(2) for times in a way that it refuses, and does not know rnosymfollow",
    ),
    d(
        "crun",
        "",
        "propagation/root-wrong",
        "",
        "config-linux.md: \"Its value is either shared, slave, private or unbindable\"",
    ),
    d(
        "crun",
        "",
        "propagation/of-mounts",
        "",
        "config.md, Linux mount options: shared, unbindable; 1.8.1 loses them",
    ),
    d("crun", "", "process/cwd-relative", "", "config.md: \"This value MUST be an absolute path\""),
    d(
        "crun",
        "",
        "process/rlimits-twice",
        "",
        "config.md: \"If rlimits contains duplicated entries with same type, the runtime MUST generate an error\"",
    ),
    d(
        "crun",
        "",
        "process/session-keyring",
        "one of its own",
        "not in the specification; its keyring has another name than runc's",
    ),
    d(
        "crun",
        "",
        "capabilities/unknown",
        "a warning",
        "config.md: \"Any value which cannot be mapped to a relevant kernel interface MUST be logged as a warning\"",
    ),
    d("crun", "", "scheduling/policy", "", "older than config.md 1.1, scheduler"),
    d("crun", "", "scheduling/nice", "", "older than config.md 1.1, scheduler"),
    d("crun", "", "scheduling/wrong", "", "older than config.md 1.1, scheduler"),
    d("crun", "", "scheduling/io", "", "older than config.md 1.1, ioPriority"),
    d(
        "crun",
        "",
        "terminal/console-socket",
        "its name",
        "not in the specification; nobody reads the text that comes with the terminal",
    ),
    d(
        "crun",
        "",
        "terminal/no-carriage-returns",
        "",
        "not in the specification; runc turns ONLCR off",
    ),
    d(
        "crun",
        "",
        "terminal/socket-needs-a-terminal",
        "",
        "not in the specification; runc's rule is taken",
    ),
    d(
        "crun",
        "",
        "namespaces/relative-path",
        "",
        "config-linux.md: \"This value MUST be an absolute path in the runtime mount namespace\"",
    ),
    d(
        "crun",
        "",
        "namespaces/twice",
        "",
        "config-linux.md: \"If a namespaces field contains duplicated namespaces with same type, the runtime MUST generate an error\"",
    ),
    d(
        "crun",
        "",
        "namespaces/time",
        "",
        "config-linux.md, timeOffsets: 1.8.1 cannot write them here",
    ),
    d(
        "crun",
        "",
        "devices/existing-file",
        "",
        "config-linux.md: \"If a file already exists at path that does not match the requested device, the runtime MUST generate an error\"",
    ),
    d(
        "crun",
        "",
        "devices/denied-by-default",
        "",
        "GHSA-g54h-m393-cpwq: a list without a first line that denies is no list of what is allowed",
    ),
    d(
        "crun",
        "",
        "devices/unknown-type",
        "",
        "config-linux.md, Devices: \"type of device: c, b, u or p\"",
    ),
    d("crun", "", "resources/cpu-burst-v1", "", "older than config-linux.md 1.1, burst"),
    d("crun", "", "resources/cpu-burst-v2", "", "older than config-linux.md 1.1, burst"),
    d(
        "crun",
        "",
        "resources/unified-on-v1",
        "left behind",
        "runtime.md, Errors: \"MUST leave the state of the environment as if the operation were never attempted\"",
    ),
    d(
        "crun",
        "",
        "resources/hugepages-wrong",
        "left behind",
        "runtime.md, Errors: \"MUST leave the state of the environment as if the operation were never attempted\"",
    ),
    d(
        "crun",
        "",
        "seccomp/listener-missing",
        "no path at all",
        "config-linux.md: \"If sending to this socket fails, the runtime MUST generate an error\"; without one it goes on unasked",
    ),
    d(
        "crun",
        "",
        "paths/masked-relative",
        "",
        "config-linux.md: \"The values MUST be absolute paths in the container namespace\"",
    ),
    d(
        "crun",
        "",
        "paths/readonly-keeps-flags",
        "",
        "config.md, Mounts: options; a path that is made read-only loses nosuid, nodev and noexec",
    ),
    race(d(
        "crun",
        "",
        "hooks/order",
        "",
        "runtime.md, Lifecycle 10: poststart hooks come after startContainer hooks and the start of the program",
    )),
    race(d(
        "crun",
        "",
        "hooks/when",
        "",
        "runtime.md, Lifecycle 10: poststart hooks come after startContainer hooks and the start of the program",
    )),
    d("crun", "", "hooks/state", "", "runtime.md, State: pid and bundle as the host sees them"),
    d(
        "crun",
        "",
        "hooks/status",
        "",
        "runtime.md, State: creating until create has ended, then created",
    ),
    race(d(
        "crun",
        "",
        "hooks/relative-path",
        "",
        "the specification gives no exit codes; runc's is 1",
    )),
    race(d(
        "crun",
        "",
        "hooks/missing-program",
        "",
        "the specification gives no exit codes; runc's is 1",
    )),
    race(d(
        "crun",
        "",
        "hooks/failing-before-start",
        "",
        "the specification gives no exit codes; runc's is 1",
    )),
    d(
        "crun",
        "",
        "hooks/failing-after-start",
        "",
        "runtime.md, Lifecycle 10: \"If any poststart hook fails, the runtime MUST generate an error\"; before 1.1 \"MUST log a warning\"",
    ),
    d(
        "crun",
        "",
        "hooks/failing-poststop",
        "a warning",
        "runtime.md, Lifecycle 13: \"If any poststop hook fails, the runtime MUST log a warning\"",
    ),
    d(
        "crun",
        "",
        "hooks/timeout-zero",
        "",
        "config.md, Hooks: \"If set, timeout MUST be greater than zero\"",
    ),
    d(
        "crun",
        "",
        "annotations/wrong-type",
        "",
        "config.md: a value of another type is no valid configuration",
    ),
    d(
        "crun",
        "",
        "annotations/version-of-others",
        "\"1.0\"",
        "config.md: ociVersion \"MUST be in SemVer v2.0.0 format\"",
    ),
    d(
        "crun",
        "",
        "annotations/version-newer",
        "",
        "config.md: \"retains forward and backward compatibility within major versions\"",
    ),
    d("crun", "", "exec/inherits", "", "not in the specification; runc's way is taken"),
    d("crun", "", "exec/flags", "", "not in the specification; runc's way is taken"),
    d("crun", "", "exec/groups", "", "not in the specification; runc's way is taken"),
    d("crun", "", "exec/capabilities", "", "not in the specification; runc's way is taken"),
    d(
        "crun",
        "",
        "exec/process-file",
        "",
        "the specification gives no exit codes; runc's for exec is 255",
    ),
    d(
        "crun",
        "",
        "exec/not-running",
        "",
        "the specification gives no exit codes; runc's for exec is 255",
    ),
    d(
        "crun",
        "",
        "exec/paused",
        "",
        "the specification gives no exit codes; runc's for exec is 255",
    ),
    d("crun", "", "exec/users", "", "CVE-2026-30892: what is no number is taken for 0"),
    d("crun", "", "commands/keep", "", "not in the specification; runc's way is taken"),
    d("crun", "", "commands/ps", "", "not in the specification; runc's way is taken"),
    d("crun", "", "commands/pause-and-resume", "", "not in the specification; runc's way is taken"),
    d("crun", "", "commands/pause-unknown", "", "not in the specification; runc's way is taken"),
    d("crun", "", "commands/spec", "", "not in the specification; runc's way is taken"),
    d("crun", "", "commands/events", "", "1.8.1 has no such command"),
    d("crun", "", "commands/features", "", "1.8.1 has no such command"),
    d("crun", "", "words/events", "", "1.8.1 has no such command"),
    d("crun", "", "words/features", "", "1.8.1 has no such command"),
    d("crun", "", "words/state", "", "not in the specification; it says it in its own words"),
    d("crun", "", "words/list-json", "", "not in the specification; it says it in its own words"),
    d("crun", "", "words/list-empty", "", "not in the specification; it says it in its own words"),
    d("crun", "", "words/list-table", "", "not in the specification; it says it in its own words"),
    d("crun", "", "words/ps-json", "", "not in the specification; it says it in its own words"),
    d("crun", "", "words/ps-table", "", "not in the specification; it says it in its own words"),
    d("crun", "", "words/log-text", "", "not in the specification; it says it in its own words"),
    d("crun", "", "words/log-json", "", "not in the specification; it says it in its own words"),
    d("crun", "", "words/stderr", "", "not in the specification; it says it in its own words"),
    d("crun", "", "words/debug", "", "not in the specification; it says it in its own words"),
    d("crun", "", "words/messages", "", "not in the specification; it says it in its own words"),
    d(
        "crun",
        "",
        "words/exec-message",
        "",
        "not in the specification; it says it in its own words",
    ),
];
