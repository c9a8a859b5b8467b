//! How much of the disks may the container use?

use serde::Serialize;

use crate::at::At;
use crate::devices::numbers;

/// Weights beside other cgroups, and limits of single disks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockIo {
    /// Its weight, 10 to 1000, as cgroup v1 counts it.
    pub weight: Option<u16>,
    /// Its weight beside cgroups below it, for cgroup v1.
    pub leaf_weight: Option<u16>,
    /// Weights on single disks.
    pub weights: Vec<DiskWeight>,
    /// Bytes a second that it may read.
    pub read_bytes: Vec<DiskRate>,
    /// Bytes a second that it may write.
    pub write_bytes: Vec<DiskRate>,
    /// Requests to read in a second.
    pub read_requests: Vec<DiskRate>,
    /// Requests to write in a second.
    pub write_requests: Vec<DiskRate>,
}

/// A weight on one disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskWeight {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
    /// As in [`BlockIo::weight`].
    pub weight: Option<u16>,
    /// As in [`BlockIo::leaf_weight`].
    pub leaf_weight: Option<u16>,
}

/// A limit on one disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiskRate {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
    /// So much in a second.
    pub rate: u64,
}

/// `linux.resources.blockIO` (config-linux.md, "Block IO").
pub(crate) fn block_io(at: &At<'_>) -> BlockIo {
    BlockIo {
        weight: weight(at, "weight"),
        leaf_weight: weight(at, "leafWeight"),
        weights: weights(at),
        read_bytes: rates(at, "throttleReadBpsDevice"),
        write_bytes: rates(at, "throttleWriteBpsDevice"),
        read_requests: rates(at, "throttleReadIOPSDevice"),
        write_requests: rates(at, "throttleWriteIOPSDevice"),
    }
}

/// The kernel's `BLKIO_WEIGHT_MIN` and `_MAX`. Zero is how Go programs write nothing.
fn weight(at: &At<'_>, name: &str) -> Option<u16> {
    let weight = at.get::<u16>(name).filter(|weight| *weight != 0)?;
    if !(10..=1000).contains(&weight) {
        at.wrong_field(name, format!("{weight} is out of range"), "10 to 1000");
    }
    Some(weight)
}

fn weights(parent: &At<'_>) -> Vec<DiskWeight> {
    let mut all = Vec::new();
    for at in parent.objects("weightDevice") {
        let (weight, leaf_weight) = (weight(&at, "weight"), weight(&at, "leafWeight"));
        if weight.or(leaf_weight).is_none() {
            at.wrong("weighs nothing", "\"weight\", \"leafWeight\" or both");
        }
        if let Some((major, minor)) = numbers(&at) {
            all.push(DiskWeight { major, minor, weight, leaf_weight });
        }
    }
    all
}

fn rates(parent: &At<'_>, name: &str) -> Vec<DiskRate> {
    let mut all = Vec::new();
    for at in parent.objects(name) {
        let (numbers, rate) = (numbers(&at), at.need("rate"));
        if let (Some((major, minor)), Some(rate)) = (numbers, rate) {
            all.push(DiskRate { major, minor, rate });
        }
    }
    all
}
