//! In which cgroup does a program run that joins a container later?

use primitives::{Error, Result};

use super::{Cgroups, Hierarchy};

impl Cgroups {
    /// These cgroups, or ones below them that the container has made: each `PATH` for all controllers,
    /// or `CONTROLLER:PATH` for one of v1, as runc's `exec --cgroup` takes them.
    ///
    /// # Errors
    /// A path that leads out, a controller that there is not, or a cgroup that is not there.
    pub fn below(&self, wanted: &[String]) -> Result<Cgroups> {
        let mut cgroups = self.clone();
        for text in wanted {
            match text.split_once(':') {
                None => {
                    cgroups.every().try_for_each(|hierarchy| go_below(hierarchy, text, text))?
                }
                Some((controller, path)) => {
                    let mut found = cgroups.every().filter(|hierarchy| hierarchy.has(controller));
                    let hierarchy = found.next().ok_or_else(|| {
                        Error::Unusable(format!("--cgroup {text:?}: no controller {controller:?}"))
                    })?;
                    go_below(hierarchy, path, text)?;
                }
            }
        }
        Ok(cgroups)
    }

    fn every(&mut self) -> impl Iterator<Item = &mut Hierarchy> {
        self.hierarchies.iter_mut().chain(&mut self.unified)
    }
}

fn go_below(hierarchy: &mut Hierarchy, path: &str, text: &str) -> Result<()> {
    let unusable = |what: &str| Error::Unusable(format!("--cgroup {text:?}: {what}"));
    let path = path.trim_start_matches('/');
    if path.split('/').any(|part| part == "..") {
        return Err(unusable("it leads out of the container's cgroup"));
    }
    hierarchy.deepen(path);
    match hierarchy.path().is_dir() {
        true => Ok(()),
        false => Err(unusable(&format!("there is no cgroup {}", hierarchy.path().display()))),
    }
}

// TEMP
impl Cgroups {
    /// TEMP
    pub fn statistics(&self) -> Result<u8> {
        Ok(0)
    }
}
