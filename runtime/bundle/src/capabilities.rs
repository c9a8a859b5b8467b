//! What may the process do of what only root may?

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use crate::at::At;

/// All capabilities by their numbers: `include/uapi/linux/capability.h` of Linux 6.18.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A capability, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability(u8);

impl Capability {
    /// The capability of this name, `CAP_KILL`.
    pub fn from_name(name: &str) -> Option<Capability> {
        let number = NAMES.iter().position(|known| *known == name)?;
        u8::try_from(number).ok().map(Capability)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Capability> {
        (0..).take(NAMES.len()).map(Capability)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// Its number, which is its bit in the kernel's sets.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl Serialize for Capability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The five sets, as they can be granted: capabilities(7).
///
/// A configuration without `process.capabilities` grants none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "capabilities(7) says what each is")]
pub struct Capabilities {
    pub bounding: BTreeSet<Capability>,
    pub effective: BTreeSet<Capability>,
    pub inheritable: BTreeSet<Capability>,
    pub permitted: BTreeSet<Capability>,
    pub ambient: BTreeSet<Capability>,
}

/// `process.capabilities` (config.md, "Linux Process"): what cannot be mapped to the kernel, or cannot
/// be granted otherwise, MUST be a warning and SHOULD NOT be a failure. So this never complains about
/// a name, and what the kernel would refuse is left out here, with a remark: that grants less.
pub(crate) fn capabilities(process: &At<'_>) -> Capabilities {
    let Some(at) = process.object("capabilities") else {
        return Capabilities::default();
    };
    let mut sets = Capabilities {
        bounding: set(&at, "bounding"),
        effective: set(&at, "effective"),
        inheritable: set(&at, "inheritable"),
        permitted: set(&at, "permitted"),
        ambient: set(&at, "ambient"),
    };
    let permitted = sets.permitted.clone();
    keep(&at, "effective", &mut sets.effective, &permitted, "permitted");
    let bounding = sets.bounding.clone();
    keep(&at, "inheritable", &mut sets.inheritable, &bounding, "bounding");
    let both = permitted.intersection(&sets.inheritable).copied().collect();
    keep(&at, "ambient", &mut sets.ambient, &both, "both permitted and inheritable");
    sets
}

fn set(at: &At<'_>, name: &str) -> BTreeSet<Capability> {
    let mut known = BTreeSet::new();
    for item in at.items(name) {
        let Some(text) = item.read::<String>() else {
            continue;
        };
        match Capability::from_name(&text) {
            Some(capability) => {
                known.insert(capability);
            }
            None => item.odd(format!("no capability {text:?} is known, so it is not granted")),
        }
    }
    known
}

/// Leaves only what is also in another set.
fn keep(
    at: &At<'_>,
    name: &str,
    set: &mut BTreeSet<Capability>,
    other: &BTreeSet<Capability>,
    which: &str,
) {
    let lost: Vec<&str> = set.difference(other).map(|capability| capability.name()).collect();
    if lost.is_empty() {
        return;
    }
    if let Some(field) = at.field(name) {
        field.odd(format!(
            "not granted, for the kernel wants them {which} too: {}",
            lost.join(", ")
        ));
    }
    set.retain(|capability| other.contains(capability));
}
