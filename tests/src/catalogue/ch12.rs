//! Chapter 12: the contract.

use super::{Case, case};

const CREATE: &[&str] = &["oci", "--root", ".", "create", "--bundle", "{bundle}", "box"];

const CREATE_HOOKED: &[&str] = &["oci", "--root", ".", "create", "--bundle", "{hooked}", "box"];

pub(super) const CASES: &[Case] = &[
    case("ch12-default", "chapter12", &[]),
    case("ch12-try-code", "chapter12", &["oci", "try", "--", "sh", "-c", "exit 7"]).exits(7),
    case("ch12-try-missing", "chapter12", &["oci", "try", "--", "/nowhere"]).exits(127),
    case("ch12-spec", "chapter12", &["oci", "spec"]).makes("config.json"),
    case("ch12-spec-nowhere", "chapter12", &["oci", "spec", "--bundle", "nowhere"]).exits(125),
    case("ch12-plan", "chapter12", &["oci", "plan", "--bundle", "{hooked}"]).varies(),
    case("ch12-plan-nothing", "chapter12", &["oci", "plan", "--bundle", "nowhere"]).exits(125),
    case("ch12-create", "chapter12", CREATE),
    case("ch12-create-hooks", "chapter12", CREATE_HOOKED),
    case("ch12-start", "chapter12", &["oci", "--root", "{created}", "start", "box"]),
    case("ch12-start-hooks", "chapter12", &["oci", "--root", "{waiting}", "start", "box"]),
    case("ch12-start-twice", "chapter12", &["oci", "--root", "{stopped}", "start", "box"])
        .exits(125),
    case("ch12-state", "chapter12", &["oci", "--root", "{created}", "state", "box"]).varies(),
    case("ch12-kill", "chapter12", &["oci", "--root", "{created}", "kill", "box", "KILL"]),
    case("ch12-kill-nobody", "chapter12", &["oci", "--root", "{stopped}", "kill", "box"])
        .exits(125),
    case("ch12-delete", "chapter12", &["oci", "--root", "{stopped}", "delete", "box"]),
    case(
        "ch12-delete-force",
        "chapter12",
        &["oci", "--root", "{created}", "delete", "--force", "box"],
    ),
    case("ch12-delete-created", "chapter12", &["oci", "--root", "{created}", "delete", "box"])
        .exits(125),
    case("ch12-delete-nothing", "chapter12", &["oci", "--root", ".", "delete", "box"]).exits(125),
];
