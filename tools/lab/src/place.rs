//! Where does one lab keep its files, so that several labs never meet?
//!
//! In a directory below the system's temporary directory, named after the process that made it and
//! readable by its owner alone. The guest finds it under the same path in the host's file tree.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fmt::Write as _, process};

use anyhow::{Context, Result, ensure};

/// How the name of every lab's directory starts.
const PREFIX: &str = "porthole-lab-";

/// What `lab` tells its keeper.
#[derive(Clone, Copy)]
pub(crate) enum Word {
    /// everything that the kernel needs is in the directory
    Boot,
    /// end the kernel
    Stop,
}

impl Word {
    fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Stop => "stop",
        }
    }
}

/// The directory of one lab.
pub(crate) struct Place {
    path: PathBuf,
}

impl Place {
    /// Chooses a name; nothing is made yet.
    pub(crate) fn choose() -> Result<Self> {
        let parent = env::temp_dir();
        let parent = parent
            .canonicalize()
            .with_context(|| format!("there is no temporary directory {}", parent.display()))?;
        ensure!(
            !parent.as_os_str().as_bytes().iter().any(u8::is_ascii_whitespace),
            "the path of the temporary directory, {}, contains a space, which a kernel command line \
             cannot carry: set TMPDIR to another directory",
            parent.display()
        );
        // The number of a process is unique in its pid namespace only, and containers may share a
        // temporary directory: the time makes it unique.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok(Self { path: parent.join(format!("{PREFIX}{}-{}", process::id(), now.as_nanos())) })
    }

    /// Makes the directory.
    pub(crate) fn make(&self) -> Result<()> {
        DirBuilder::new()
            .mode(0o700)
            .create(&self.path)
            .with_context(|| format!("cannot make the lab's directory {}", self.path.display()))
    }

    /// The directory that another process has made.
    pub(crate) fn existing(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes one file, which may be run: some of them are the guest's first program.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.file(name);
        let mut options = File::options();
        let file = options.create_new(true).write(true).mode(0o700).open(&path);
        file.and_then(|mut file| file.write_all(content.as_ref()))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes a list of paths, one a line, as the guest's shell reads it.
    pub(crate) fn write_paths(&self, name: &str, paths: &[PathBuf]) -> Result<()> {
        let mut list = String::new();
        for path in paths {
            let text = path.to_str().filter(|text| !text.contains('\n'));
            let text = text
                .with_context(|| format!("the lab cannot carry a path like {}", path.display()))?;
            writeln!(list, "{text}")?;
        }
        self.write(name, list)
    }

    /// Tells the keeper something. A file, because it needs no signal and no second pipe.
    pub(crate) fn say(&self, word: Word) -> io::Result<()> {
        match File::create(self.file(word.name())) {
            // The keeper was faster: it is done already and has removed the directory.
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Has this been said?
    pub(crate) fn was_said(&self, word: Word) -> bool {
        self.file(word.name()).exists()
    }

    /// Removes the directory with all that is in it.
    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}
