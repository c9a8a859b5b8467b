//! Is everything in the store what its name says, and is everything there that a name promises?
//!
//! Digests are computed again from the bytes on the disk, since a disk, a tool or a person may have
//! changed them. `--repair` moves what is wrong into `spoiled/`: the next pull brings the right thing.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use primitives::rename;

use super::collect::Alone;
use super::roots::visible_in;
use super::{Reach, Result, Store};
use crate::digest::{Digest, Hasher};
use crate::steps::step;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// The bytes of a blob are not what its name says.
    Spoiled {
        /// Its name.
        blob: Digest,
        /// What is wrong with it.
        why: String,
    },
    /// There is something that does not belong where it is.
    Strange {
        /// Where, from the store's root on.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An image is not here with all that belongs to it.
    Incomplete {
        /// Its name, or who else needs it.
        name: String,
        /// What is missing, or why that cannot be known.
        why: String,
    },
}

/// What a check has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many blobs there are.
    pub blobs: usize,
    /// How many bytes they have together.
    pub bytes: u64,
    /// How many names there are.
    pub names: usize,
    /// All that is wrong.
    pub findings: Vec<Finding>,
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Spoiled { blob, why } => write!(f, "{blob} is spoiled: {why}"),
            Finding::Strange { path, why } => write!(f, "{}: {why}", path.display()),
            Finding::Incomplete { name, why } => write!(f, "{name} is not complete: {why}"),
        }
    }
}

impl Store {
    /// Reads everything and computes every digest again, with as many threads as `jobs`.
    ///
    /// # Errors
    /// The index or a folder cannot be read.
    pub fn check(&self, jobs: usize) -> Result<Checked> {
        let mut checked = Checked::default();
        for folder in ["blobs", "layers"] {
            self.find_strangers(folder, &mut checked.findings)?;
        }
        let blobs = self.stored("blobs")?;
        let sizes = blobs.iter().map(|blob| self.blob(blob).symlink_metadata());
        checked.bytes = sizes.flatten().map(|is| is.len()).sum();
        checked.blobs = blobs.len();
        checked.findings.extend(self.spoiled(&blobs, jobs));
        self.check_promises(&mut checked)?;
        checked.findings.sort();
        Ok(checked)
    }

    /// What has no digest for a name, or is no file or no directory where it should be.
    fn find_strangers(&self, kind: &str, findings: &mut Vec<Finding>) -> Result<()> {
        for algorithm in ["sha256", "sha512"] {
            let folder = Path::new(kind).join(algorithm);
            for name in visible_in(&self.root.join(&folder))? {
                let path = folder.join(&name);
                let is = self.root.join(&path).symlink_metadata();
                let right =
                    is.is_ok_and(|is| if kind == "blobs" { is.is_file() } else { is.is_dir() });
                let named = format!("{algorithm}:{name}").parse::<Digest>();
                let why = match (named, right) {
                    (Err(why), _) => why.to_string(),
                    (Ok(_), false) if kind == "blobs" => "this is no plain file".to_string(),
                    (Ok(_), false) => "this is no directory".to_string(),
                    (Ok(_), true) => continue,
                };
                findings.push(Finding::Strange { path, why });
            }
        }
        Ok(())
    }

    fn spoiled(&self, blobs: &[Digest], jobs: usize) -> Vec<Finding> {
        let (next, findings) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(why) = self.recompute(blob) {
                    let finding = Finding::Spoiled { blob: blob.clone(), why };
                    findings.lock().expect("nobody panics with it").push(finding);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..jobs.min(blobs.len()) {
                scope.spawn(work);
            }
            work();
        });
        findings.into_inner().expect("nobody has panicked with it")
    }

    fn recompute(&self, blob: &Digest) -> std::result::Result<(), String> {
        // What is no file was found strange already.
        if !self.blob(blob).symlink_metadata().is_ok_and(|is| is.is_file()) {
            return Ok(());
        }
        let mut file = self.open_blob(blob).map_err(|error| error.to_string())?;
        let (mut hasher, mut some) = (Hasher::new(blob.algorithm()), vec![0; 1 << 17]);
        loop {
            match file.read(&mut some).map_err(|error| error.to_string())? {
                0 => break,
                read => hasher.update(&some[..read]),
            }
        }
        match hasher.finish() {
            found if found == *blob => Ok(()),
            found => Err(format!("its digest is {found}")),
        }
    }

    /// Whether all is here that names, leases and containers lead to.
    fn check_promises(&self, checked: &mut Checked) -> Result<()> {
        let named = self.names()?;
        checked.names = named.len();
        let mut all: BTreeMap<String, _> =
            named.into_iter().map(|named| (named.name, named.image)).collect();
        match self.leases() {
            Ok(leases) => {
                let living = leases.into_iter().filter(|(_, lease)| !lease.is_over());
                all.extend(living.map(|(name, lease)| (format!("lease {name}"), lease.image)));
            }
            Err(why) => checked.findings.push(strange("leases", &why)),
        }
        match self.uses() {
            Ok(uses) => {
                let used = uses.into_iter();
                all.extend(used.map(|(name, uses)| (format!("container {name}"), uses.image)));
            }
            Err(why) => checked.findings.push(strange("containers", &why)),
        }
        for (name, image) in all {
            let mut reach = Reach::default();
            let why = match self.reach(&image, &mut reach) {
                Err(why) => why.to_string(),
                Ok(()) if reach.missing.is_empty() => continue,
                Ok(()) => {
                    let missing: Vec<String> =
                        reach.missing.iter().map(Digest::to_string).collect();
                    format!("{} is not here: pull it again", missing.join(", "))
                }
            };
            checked.findings.push(Finding::Incomplete { name, why });
        }
        Ok(())
    }
}

fn strange(folder: &str, why: &impl Display) -> Finding {
    Finding::Strange { path: PathBuf::from(folder), why: why.to_string() }
}

impl Alone {
    /// Moves what is wrong out of the way, into `spoiled/`. Images that are not complete then keep
    /// their names: a pull completes them, and whoever wants them no more removes them.
    ///
    /// # Errors
    /// Something cannot be moved.
    pub fn repair(&self, findings: &[Finding]) -> Result<()> {
        let movable = |finding: &Finding| match finding {
            Finding::Spoiled { blob, .. } => Some(self.blob(blob)),
            // A whole folder of ours is none of it.
            Finding::Strange { path, .. } if path.components().count() > 1 => {
                Some(self.root().join(path))
            }
            _ => None,
        };
        let paths: Vec<PathBuf> = findings.iter().filter_map(movable).collect();
        if paths.is_empty() {
            return Ok(());
        }
        step("move what is wrong out of the way", || {
            paths.iter().try_for_each(|path| self.set_aside(path))
        })
    }

    /// Gives it a name among the spoiled that nothing there has.
    fn set_aside(&self, path: &Path) -> Result<()> {
        let relative = path.strip_prefix(self.root()).unwrap_or(path);
        let flat = relative.to_string_lossy().replace('/', "-");
        let folder = self.root().join("spoiled");
        let free = (0..).map(|count| folder.join(format!("{flat}.{count}")));
        let mut free = free.filter(|place| place.symlink_metadata().is_err());
        let place = free.next().expect("there are more numbers than files");
        Ok(rename(path, &place, "keep it to be looked at, where nobody takes it for the blob")?)
    }
}
