//! How does a program get into a root with all that it needs, and nothing else?

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use primitives::{Error, Result, create, find_program, symlink};

use crate::libraries::{self, Object};
use crate::{elf, make_all, unusable};

/// Finds a program, in the directories that every system has and then in those of this user.
pub(crate) fn find(name: &Path) -> Result<PathBuf> {
    let mut search = OsStr::new("/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin").to_os_string();
    if let Some(more) = std::env::var_os("PATH") {
        search.push(":");
        search.push(more);
    }
    find_program(name.as_os_str(), &search)
}

/// Copies programs and what they need into a root.
pub(crate) fn install(root: &Path, names: &[PathBuf]) -> Result<()> {
    let mut copied = Copied { root, files: BTreeMap::new(), places: BTreeSet::new() };
    for name in names {
        copied.program(&find(name)?)?;
    }
    Ok(())
}

/// What is in the root already.
struct Copied<'a> {
    root: &'a Path,
    /// Files of this machine, by their true path, and where the first copy of each lies.
    files: BTreeMap<PathBuf, PathBuf>,
    /// Paths in the root that are taken.
    places: BTreeSet<PathBuf>,
}

impl Copied<'_> {
    /// A program, and all that is needed for it to run.
    fn program(&mut self, path: &Path) -> Result<()> {
        let content = fs::read(path).map_err(|e| unusable(path.display(), e))?;
        let place = place_of_program(path);
        if elf::is_elf(&content) {
            let object = libraries::open(path)?;
            libraries::must_run_here(&object)?;
            return self.object(object, &place);
        }
        let interpreters = interpreters(&content).ok_or_else(|| Error::NotExecutable {
            program: path.display().to_string(),
            why: "it is neither an ELF file nor a script that begins with #!".into(),
        })?;
        self.file(path, &content, &place)?;
        for interpreter in interpreters {
            let interpreter = find(&interpreter).map_err(|e| unusable(path.display(), e))?;
            if !self.places.contains(&place_of_program(&interpreter)) {
                self.program(&interpreter)?;
            }
        }
        Ok(())
    }

    /// A program or library, its loader, and the libraries that it names, each with theirs.
    fn object(&mut self, object: Object, place: &Path) -> Result<()> {
        if !self.file(&object.path, &object.content, place)? {
            return Ok(());
        }
        if let Some(interpreter) = &object.elf.interpreter {
            let loader = libraries::open(interpreter.as_ref())
                .map_err(|e| unusable(format!("{} needs its loader", object.path.display()), e))?;
            // The kernel starts it by the very path that stands in the program.
            let place = loader.path.clone();
            self.object(loader, &place)?;
        }
        for name in &object.elf.needed {
            let found = libraries::find(name, &object)?;
            let place = self.place_of_library(&found, &object)?;
            let library = libraries::open(&found)
                .map_err(|e| unusable(format!("{} needs {name}", object.path.display()), e))?;
            self.object(library, &place)?;
        }
        Ok(())
    }

    /// Copies one file, unless it is there; whether it was new.
    fn file(&mut self, from: &Path, content: &[u8], place: &Path) -> Result<bool> {
        if !self.places.insert(place.to_path_buf()) {
            return Ok(false);
        }
        let inside = place.strip_prefix("/").unwrap_or(place);
        if let Some(parent) = inside.parent() {
            make_all(self.root, parent)?;
        }
        let target = self.root.join(inside);
        let truly = fs::canonicalize(from).map_err(|e| unusable(from.display(), e))?;
        match self.files.get(&truly) {
            Some(first) => symlink(first, &target, "call the same file by another of its names")?,
            None => {
                create(&target, content, 0o755, "have the program, or what it cannot run without")?;
                self.files.insert(truly, place.to_path_buf());
            }
        }
        Ok(true)
    }

    /// The loader in the root has no configuration and no cache: what it would not look for in the
    /// place where it lies here is put beside the C library, which it certainly finds.
    fn place_of_library(&self, found: &Path, by: &Object) -> Result<PathBuf> {
        let directory = found.parent().unwrap_or(Path::new("/"));
        if libraries::is_standard(directory) {
            return Ok(found.to_path_buf());
        }
        let name = found.file_name().unwrap_or_default();
        let libc = libraries::find("libc.so.6", by).ok();
        let standard = libc.as_deref().and_then(Path::parent).filter(|p| libraries::is_standard(p));
        Ok(standard.unwrap_or(Path::new("/lib")).join(name))
    }
}

/// Where a program lies in the root: where it lies here, if that is where programs are looked for.
fn place_of_program(path: &Path) -> PathBuf {
    const USUAL: [&str; 6] =
        ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    let usual = path.parent().is_some_and(|folder| USUAL.iter().any(|usual| folder == *usual));
    match usual {
        true => path.to_path_buf(),
        false => Path::new("/bin").join(path.file_name().unwrap_or_default()),
    }
}

/// The programs that run a script: the one in its first line, and with `env` the one that it finds.
fn interpreters(script: &[u8]) -> Option<Vec<PathBuf>> {
    let line = script.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let mut words = words.map(OsStr::from_bytes);
    let first = PathBuf::from(words.next()?);
    if first.file_name() != Some(OsStr::new("env")) {
        return Some(vec![first]);
    }
    let is_program =
        |word: &&OsStr| !word.as_bytes().starts_with(b"-") && !word.as_bytes().contains(&b'=');
    let found = words.find(is_program).map(PathBuf::from);
    Some([first].into_iter().chain(found).collect())
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{interpreters, place_of_program};

    #[test]
    fn a_script_names_its_interpreter() {
        let names = |text: &str| interpreters(text.as_bytes());
        assert_eq!(names("#!/bin/sh\necho"), Some(vec![PathBuf::from("/bin/sh")]));
        assert_eq!(names("#! /bin/sh -e"), Some(vec![PathBuf::from("/bin/sh")]));
        let both = ["/usr/bin/env", "python3"].map(PathBuf::from).to_vec();
        assert_eq!(names("#!/usr/bin/env -S A=b python3 -u\n"), Some(both));
        assert_eq!(names("echo"), None);
        assert_eq!(names("#!"), None);
    }

    #[test]
    fn programs_lie_where_they_are_looked_for() {
        assert_eq!(place_of_program(Path::new("/usr/bin/id")), Path::new("/usr/bin/id"));
        assert_eq!(place_of_program(Path::new("target/debug/x")), Path::new("/bin/x"));
    }
}
