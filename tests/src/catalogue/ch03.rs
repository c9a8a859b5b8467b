//! Chapter 3: being root somewhere.

use super::{Case, case};

pub(super) const CASES: &[Case] = &[
    case("ch3-default", "chapter3", &[]),
    case("ch3-run", "chapter3", &["userns", "run", "--", "id", "-u"]),
    case(
        "ch3-run-race",
        "chapter3",
        &["userns", "run", "--late", "200", "--without", "wait-for-the-maps"],
    )
    .exits(125),
    case("ch3-setgroups", "chapter3", &["userns", "run", "--without", "deny-setgroups"])
        .exits_as_user(125),
    case("ch3-run-somebody-else", "chapter3", &["userns", "run", "--map-users", "0:7:1"])
        .exits_as_user(125),
    case("ch3-map", "chapter3", &["userns", "map"]).varies(),
    case("ch3-map-other", "chapter3", &["userns", "map", "{target}"]).varies(),
    case("ch3-whoami", "chapter3", &["userns", "whoami"]).varies(),
    case("ch3-nest", "chapter3", &["userns", "nest", "3"]),
    case("ch3-nest-too-deep", "chapter3", &["userns", "nest", "40"]).exits(125),
];
