//! What has to be mounted in the container where the configuration asks for cgroups?
//!
//! Only data: the mounting is the root's part, which knows how to do it safely.

use std::path::PathBuf;

use super::{Cgroups, Hierarchy};

/// What a mount of the kind `cgroup` consists of on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// cgroup v2: one `cgroup2` mount in a cgroup namespace of the container's own, or else a bind
    /// mount of its cgroup.
    V2 {
        /// Its cgroup on the host, an absolute path.
        own: PathBuf,
    },
    /// cgroup v1: a tmpfs with one directory for each hierarchy, and links.
    V1 {
        /// What is mounted, each in the directory of its name: in a cgroup namespace of the
        /// container's own with [`InsideHierarchy::options`], or else a bind mount of its cgroup.
        hierarchies: Vec<InsideHierarchy>,
        /// Link and target, both names in that tmpfs: `cpu` is `cpu,cpuacct`.
        links: Vec<(String, String)>,
    },
    /// The container has no cgroup of its own, and must not get somebody else's.
    Nothing,
}

/// One hierarchy of cgroup v1 in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsideHierarchy {
    /// Its directory: `cpu,cpuacct`.
    pub name: String,
    /// What mount(2) takes as data for it: `cpu,cpuacct`, or `none,name=systemd`.
    pub options: String,
    /// The container's cgroup in it on the host, an absolute path.
    pub own: PathBuf,
}

impl Cgroups {
    /// What has to be mounted in the container where its configuration asks for cgroups.
    pub fn mounts_inside(&self) -> Inside {
        if self.is_v2() {
            return self
                .unified
                .as_ref()
                .map_or(Inside::Nothing, |unified| Inside::V2 { own: unified.path() });
        }
        if self.hierarchies.is_empty() {
            return Inside::Nothing;
        }
        // A hybrid machine's v2 hierarchy is left out, as runc does: programs that find it take the
        // machine for one with v2 and look for limits where there are none.
        let hierarchies: Vec<InsideHierarchy> = self.hierarchies.iter().map(inside).collect();
        let links = self.hierarchies.iter().flat_map(links).collect();
        Inside::V1 { hierarchies, links }
    }
}

fn inside(hierarchy: &Hierarchy) -> InsideHierarchy {
    let named = hierarchy.controllers.starts_with("name=");
    let none = if named { "none," } else { "" };
    InsideHierarchy {
        name: hierarchy.name(),
        options: format!("{none}{}", hierarchy.controllers),
        own: hierarchy.path(),
    }
}

/// Programs look for `cpu` alone, wherever it is mounted together with others.
fn links(hierarchy: &Hierarchy) -> Vec<(String, String)> {
    let name = hierarchy.name();
    let others = hierarchy.controllers.split(',').filter(|other| *other != name);
    let others = others.filter(|other| !other.starts_with("name="));
    others.map(|other| (other.to_string(), name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::{Inside, InsideHierarchy};
    use crate::cgroup::{Cgroups, Hierarchy};

    #[test]
    fn a_hierarchy_of_two_controllers_has_a_link_for_each() {
        let cgroups = Cgroups {
            hierarchies: vec![
                Hierarchy::new("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "own", "c1"),
                Hierarchy::new("name=systemd", "/sys/fs/cgroup/systemd", "", "c1"),
                Hierarchy::new("memory", "/sys/fs/cgroup/memory", "a/b", "c1"),
            ],
            unified: Some(Hierarchy::new("", "/sys/fs/cgroup/unified", "", "c1")),
            ..Cgroups::default()
        };
        let one = |name: &str, options: &str, own: &str| InsideHierarchy {
            name: name.into(),
            options: options.into(),
            own: own.into(),
        };
        let expected = Inside::V1 {
            hierarchies: vec![
                one("cpu,cpuacct", "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/own/c1"),
                one("systemd", "none,name=systemd", "/sys/fs/cgroup/systemd/c1"),
                one("memory", "memory", "/sys/fs/cgroup/memory/a/b/c1"),
            ],
            links: vec![
                ("cpu".into(), "cpu,cpuacct".into()),
                ("cpuacct".into(), "cpu,cpuacct".into()),
            ],
        };
        assert_eq!(cgroups.mounts_inside(), expected);
    }

    #[test]
    fn without_a_cgroup_there_is_nothing_to_mount() {
        assert_eq!(Cgroups::default().mounts_inside(), Inside::Nothing);
        let v2 = Cgroups {
            unified: Some(Hierarchy::new("", "/sys/fs/cgroup", "", "c1")),
            ..Cgroups::default()
        };
        assert_eq!(v2.mounts_inside(), Inside::V2 { own: "/sys/fs/cgroup/c1".into() });
    }
}
