//! Which ids of the host are which ids inside?

use serde::Serialize;

use crate::at::At;

/// The most lines that the kernel takes in a map, since Linux 4.15: user_namespaces(7).
const MOST_RANGES: usize = 340;

/// A range of ids, inside and on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdRange {
    /// The first id inside.
    pub inside: u32,
    /// The id on the host that it is.
    pub host: u32,
    /// How many ids.
    pub size: u32,
}

/// What uids and gids mean; both empty where ids mean the same inside and outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdMaps {
    /// Users.
    pub uids: Vec<IdRange>,
    /// Groups.
    pub gids: Vec<IdRange>,
}

impl IdMaps {
    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty() && self.gids.is_empty()
    }
}

/// Whether an id inside is somebody.
pub(crate) fn maps(ranges: &[IdRange], id: u32) -> bool {
    ranges.iter().any(|range| id >= range.inside && id - range.inside < range.size)
}

/// `uidMappings` and `gidMappings` of an object: of `linux`, or of a mount.
pub(crate) fn id_maps(at: &At<'_>) -> IdMaps {
    IdMaps { uids: id_map(at, "uidMappings"), gids: id_map(at, "gidMappings") }
}

/// None at all if one of them cannot be read: half a map would only lead to wrong complaints about
/// ids that are not in it.
fn id_map(parent: &At<'_>, name: &str) -> Vec<IdRange> {
    let mut ranges: Vec<IdRange> = Vec::new();
    let all = parent.objects(name);
    let count = all.len();
    for at in all {
        // oci-spec takes what is missing for 0, and 0 is root. So all three are asked for by name.
        let (inside, host, size) = (at.need("containerID"), at.need("hostID"), at.need("size"));
        let (Some(inside), Some(host), Some(size)) = (inside, host, size) else {
            continue;
        };
        let range = IdRange { inside, host, size };
        if size == 0 {
            at.wrong_field("size", "no id is mapped", "1 or more");
            continue;
        }
        for (field, first) in [("containerID", inside), ("hostID", host)] {
            // The last id, 4294967295, means "leave it as it is" in every call that takes an id.
            if first.checked_add(size).is_none() {
                at.wrong_field(
                    field,
                    format!("{size} ids from {first} on go beyond the last one"),
                    "ids up to 4294967294",
                );
            }
        }
        if ranges.iter().any(|other| overlap(other, &range)) {
            at.wrong("overlaps a range before it", "each id in one range only");
        }
        ranges.push(range);
    }
    if ranges.len() < count {
        return Vec::new();
    }
    if ranges.len() > MOST_RANGES {
        let wrong = format!("has {} ranges", ranges.len());
        parent.wrong_field(name, wrong, format!("at most {MOST_RANGES}, as the kernel takes"));
    }
    ranges
}

/// user_namespaces(7): ranges may overlap neither inside nor on the host.
fn overlap(one: &IdRange, other: &IdRange) -> bool {
    let touch = |a: u32, b: u32| {
        let (a, b) = (u64::from(a), u64::from(b));
        a < b + u64::from(other.size) && b < a + u64::from(one.size)
    };
    touch(one.inside, other.inside) || touch(one.host, other.host)
}
