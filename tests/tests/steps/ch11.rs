//! Chapter 11: wires.

use crate::checks::Check::{DiesWithParent, EndsWell, Says, SaysAmongOthers};
use crate::checks::{Step, step};

/// What the container says, and what the machine does, when a wire is whole.
const WHOLE: &str = "machine: 10.11.0.2 says: hello from container";
/// One packet to the bridge, and the answer.
const PING: &[&str] =
    &["net", "bridge", "--", "busybox", "ping", "-c", "1", "-W", "1", "10.11.0.1"];

pub(super) const STEPS: &[Step] = &[
    step("tie to the parent", "chapter11", &["net", "run", "--", "sleep", "60"], DiesWithParent),
    step("map root", "chapter11", &["net", "run", "--", "id", "-u"], Says("0\n")),
    step(
        "switch lo on",
        "chapter11",
        &["net", "run", "--", "busybox", "ping", "-c", "1", "-W", "1", "127.0.0.1"],
        EndsWell,
    ),
    step(
        "end with the machine",
        "chapter11",
        &["net", "veth", "--", "sleep", "60"],
        DiesWithParent,
    ),
    step("make a wire", "chapter11", &[], SaysAmongOthers(WHOLE)),
    step("give one end away", "chapter11", &[], SaysAmongOthers(WHOLE)),
    step("take an address on it", "chapter11", &[], SaysAmongOthers(WHOLE)),
    step("switch our end on", "chapter11", &[], SaysAmongOthers(WHOLE)),
    step("take an address", "chapter11", &[], SaysAmongOthers(WHOLE)),
    step("switch the wire on", "chapter11", &[], SaysAmongOthers(WHOLE)),
    step(
        "know the way out",
        "chapter11",
        &["net", "veth", "--", "busybox", "ip", "route"],
        SaysAmongOthers("default via 10.11.0.1"),
    ),
    step("make a bridge", "chapter11", PING, EndsWell),
    step("take an address on it", "chapter11", PING, EndsWell),
    step("switch it on", "chapter11", PING, EndsWell),
    step("lay a wire", "chapter11", PING, EndsWell),
    step("plug it in", "chapter11", PING, EndsWell),
    step("switch our end on", "chapter11", PING, EndsWell),
    step(
        "pass packets on",
        "chapter11",
        &["net", "publish"],
        SaysAmongOthers("container: 10.12.0.2 says: hello from client"),
    ),
    step(
        "put the rules in",
        "chapter11",
        &["net", "publish"],
        SaysAmongOthers("client: 10.12.0.1 says: hello from container"),
    ),
    step(
        "end with us",
        "chapter11",
        &["net", "run", "--network", "slirp4netns", "--", "sleep", "60"],
        DiesWithParent,
    )
    .as_root(),
];
