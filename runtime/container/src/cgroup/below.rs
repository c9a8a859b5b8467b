//! In which cgroup does a second program of a container live?

use std::path::{Component, Path, PathBuf};

use primitives::{Error, Pid, Result, read_small};

use super::{Cgroups, Hierarchy, read};

impl Cgroups {
    /// Cgroups below these, which are there already, as `runtime exec --cgroup` names them: a path for
    /// all hierarchies, or `cpu,memory:path` for those of v1 with these controllers.
    ///
    /// # Errors
    /// When there is no such cgroup, and when it is not one below these.
    pub fn below(&self, names: &[String]) -> Result<Cgroups> {
        let mut cgroups = self.clone();
        for name in names {
            let (controllers, path) = match name.split_once(':') {
                Some((controllers, path)) => (Some(controllers), path),
                None => (None, name.as_str()),
            };
            let path = inside(name, path)?;
            let meant: Vec<&mut Hierarchy> = cgroups
                .hierarchies
                .iter_mut()
                .chain(&mut cgroups.unified)
                .filter(|one| controllers.is_none_or(|some| some.split(',').any(|c| one.has(c))))
                .collect();
            if meant.is_empty() {
                return Err(Error::Unusable(format!("--cgroup {name}: no such controller here")));
            }
            for hierarchy in meant {
                hierarchy.lower(&path);
            }
        }
        let missing = cgroups.all().map(Hierarchy::path).find(|path| !path.is_dir());
        match missing {
            None => Ok(cgroups),
            Some(path) => {
                Err(Error::Unusable(format!("--cgroup: there is no cgroup {}", path.display())))
            }
        }
    }

    /// Where another process of the container can be. A container of v2 that hands controllers down to
    /// cgroups of its own has its processes in those, and can hold none itself: then it is where its
    /// first process is.
    pub fn beside(&self, first: Pid) -> Cgroups {
        let mut cgroups = self.clone();
        if let Some(unified) = cgroups.unified.as_mut().filter(|_| self.is_v2())
            && let Some(path) = place_of(first, unified)
        {
            unified.lower(&path);
        }
        cgroups
    }
}

/// A path below the container's cgroup that cannot lead out of it.
fn inside(name: &str, path: &str) -> Result<PathBuf> {
    let path = Path::new(path.trim_start_matches('/'));
    match path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        true => Ok(path.components().filter(|part| *part != Component::CurDir).collect()),
        false => Err(Error::Unusable(format!("--cgroup {name}: it leads out of the container's"))),
    }
}

/// The cgroup of a process, counted from the container's, when that one cannot hold processes.
fn place_of(first: Pid, unified: &Hierarchy) -> Option<PathBuf> {
    let handed = read(&unified.path(), "cgroup.subtree_control")?;
    if handed.trim().is_empty() {
        return None;
    }
    let own = read_small(Path::new(&format!("/proc/{first}/cgroup"))).ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    // What is mounted may be a part of the tree only; ours is at the end of what both name.
    let (_, below) = own.split_once(unified.inner().to_str()?)?;
    Some(PathBuf::from(below.trim_start_matches('/')))
}
