//! Chapter 11: wires.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch11-default", "chapter11", &[]),
    case("ch11-run", "chapter11", &["net", "run"]).varies(),
    case("ch11-run-program", "chapter11", &["net", "run", "--", "id", "-u"]),
    case("ch11-run-missing", "chapter11", &["net", "run", "--", "/nowhere"]).exits(127),
    case("ch11-run-no-network", "chapter11", &["net", "run", "--host-loopback"]).exits(125),
    case("ch11-veth-run", "chapter11", &["net", "veth", "--", "echo", "connected"]),
    case("ch11-bridge", "chapter11", &["net", "bridge"]),
    case("ch11-bridge-run", "chapter11", &["net", "bridge", "--", "echo", "connected"]),
    case("ch11-publish", "chapter11", &["net", "publish"]),
    case("ch11-publish-ports", "chapter11", &["net", "publish", "--port", "443:8443"]),
];
