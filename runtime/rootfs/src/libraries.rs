//! Where does the loader find a library?
//!
//! In the order of ld.so(8): the places that the program names, then those of this machine. The
//! loader's own cache is not read: what is written in ld.so.conf is what the cache is made of.
//! `LD_LIBRARY_PATH` does not count, because nobody will set it in there.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use primitives::{Error, Result};

use crate::elf::{self, Elf, Kind};
use crate::unusable;

/// A program or library that was read.
pub(crate) struct Object {
    pub(crate) path: PathBuf,
    pub(crate) content: Vec<u8>,
    pub(crate) elf: Elf,
}

/// Reads a program or library.
pub(crate) fn open(path: &Path) -> Result<Object> {
    let content = fs::read(path).map_err(|e| unusable(path.display(), e))?;
    let elf = elf::read(&content).map_err(|e| unusable(path.display(), e))?;
    Ok(Object { path: path.to_path_buf(), content, elf })
}

/// The kind of programs that this machine runs: that of the one that asks.
pub(crate) fn of_this_machine() -> Result<Kind> {
    let own = "/proc/self/exe";
    kind_of(own.as_ref()).ok_or_else(|| unusable(own, "it should be an ELF file, and is none"))
}

/// An error, by name, when this machine does not run such programs.
pub(crate) fn must_run_here(object: &Object) -> Result<()> {
    let here = of_this_machine()?;
    match here.runs(object.elf.kind) {
        true => Ok(()),
        false => Err(Error::Unusable(format!(
            "{} is a program for {}, and this machine is {here}",
            object.path.display(),
            object.elf.kind
        ))),
    }
}

/// Finds a library for `by`, and says whether the loader will look for it in the same place when
/// nobody tells it to.
pub(crate) fn find(name: &str, by: &Object) -> Result<PathBuf> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let mut searched: Vec<PathBuf> = named_by(by);
    searched.extend(PLACES.iter().cloned());
    let fits = |path: &PathBuf| kind_of(path) == Some(by.elf.kind);
    searched.iter().map(|place| place.join(name)).find(fits).ok_or_else(|| {
        Error::Unusable(format!(
            "{} needs the library {name}, which is in none of the {} places of ld.so(8) for {}",
            by.path.display(),
            searched.len(),
            by.elf.kind
        ))
    })
}

/// The directories that a program or library names itself. `DT_RPATH` counts where there is no
/// `DT_RUNPATH` only.
fn named_by(object: &Object) -> Vec<PathBuf> {
    let list = object.elf.runpath.as_ref().or(object.elf.rpath.as_ref());
    let origin = fs::canonicalize(&object.path).unwrap_or_else(|_| object.path.clone());
    let origin = origin.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
    let expand = |place: &str, lib: &str| {
        let text = place.replace("$ORIGIN", &origin).replace("${ORIGIN}", &origin);
        PathBuf::from(text.replace("$LIB", lib).replace("${LIB}", lib))
    };
    let places = list.map(String::as_str).unwrap_or_default().split(':');
    let places = places.filter(|place| !place.is_empty());
    places.flat_map(|place| ["lib", "lib64"].map(|lib| expand(place, lib))).collect()
}

/// The directories that every loader looks into by itself, below `/` and `/usr`.
pub(crate) fn is_standard(directory: &Path) -> bool {
    let below = directory.strip_prefix("/usr").or(directory.strip_prefix("/")).unwrap_or(directory);
    let parts: Vec<String> =
        below.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    match parts.iter().map(String::as_str).collect::<Vec<&str>>().as_slice() {
        ["lib" | "lib64" | "lib32" | "libx32"] => true,
        // Debian's multiarch: lib/x86_64-linux-gnu.
        ["lib", triplet] => triplet.contains("-linux-"),
        _ => false,
    }
}

/// This machine's own directories for libraries, those of ld.so.conf first.
static PLACES: LazyLock<Vec<PathBuf>> = LazyLock::new(|| {
    let mut places = configured("/etc/ld.so.conf".as_ref(), 0);
    for root in ["/lib", "/usr/lib"] {
        let inside = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut triplets: Vec<PathBuf> = inside.filter(|path| is_standard(path)).collect();
        triplets.sort();
        places.extend(triplets);
    }
    let plain = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib", "/lib32", "/libx32"];
    places.extend(plain.map(PathBuf::from));
    places
});

/// The directories of a configuration of the loader, and of those that it includes.
fn configured(file: &Path, depth: usize) -> Vec<PathBuf> {
    const DEEPEST: usize = 8;
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut places = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        match line.split_once(char::is_whitespace) {
            Some(("include", pattern)) if depth < DEEPEST => {
                let base = file.parent().unwrap_or(Path::new("/"));
                let files = matching(&base.join(pattern.trim()));
                places.extend(files.iter().flat_map(|file| configured(file, depth + 1)));
            }
            _ if line.starts_with('/') => places.push(PathBuf::from(line)),
            _ => {}
        }
    }
    places
}

/// The files that a pattern means, which has one `*` in its last part: `/etc/ld.so.conf.d/*.conf`.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some((before, after)) = name.split_once('*') else {
        return vec![pattern.to_path_buf()];
    };
    let folder = pattern.parent().unwrap_or(Path::new("/"));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.len() >= before.len() + after.len()
            && name.starts_with(before)
            && name.ends_with(after)
    };
    let mut files: Vec<PathBuf> = entries.filter(fits).collect();
    files.sort();
    files
}

/// Of which kind a file is; none when it is no ELF file, or not there.
pub(crate) fn kind_of(path: &Path) -> Option<Kind> {
    let mut head = [0; 20];
    File::open(path).ok()?.read_exact(&mut head).ok()?;
    elf::kind(&head).ok()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "what a test prepares is not what it looks at")]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{configured, find, is_standard, open};

    #[test]
    fn directories_of_every_loader_are_known() {
        for path in ["/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu"] {
            assert!(is_standard(Path::new(path)), "{path}");
        }
        for path in ["/opt/lib", "/usr/lib/systemd", "/usr/local/lib", "/", "/usr/lib/a-linux-b/c"]
        {
            assert!(!is_standard(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_configuration_includes_others() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("conf.d")).unwrap();
        let main = folder.path().join("ld.so.conf");
        fs::write(&main, "/first # a comment\ninclude conf.d/*.conf\n/last\n").unwrap();
        fs::write(folder.path().join("conf.d/b.conf"), "/second\n").unwrap();
        fs::write(folder.path().join("conf.d/ignored"), "/never\n").unwrap();
        // One that includes itself ends all the same.
        fs::write(folder.path().join("conf.d/z.conf"), "include z.conf\n").unwrap();
        let places = configured(&main, 0);
        assert_eq!(places, ["/first", "/second", "/last"].map(Path::new));
    }

    #[test]
    fn a_library_that_is_not_there_is_named() {
        let own = open(&std::env::current_exe().unwrap()).unwrap();
        assert!(find("libc.so.6", &own).is_ok_and(|path| path.is_absolute()));
        let error = find("libnowhere.so.7", &own).unwrap_err().to_string();
        assert!(error.contains("needs the library libnowhere.so.7"), "{error}");
    }
}
