//! What do the texts say that the kernel shows below /proc? Pure functions, text in, facts out.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::{env, fs};

/// State and process group, from `/proc/PID/stat`.
pub(crate) fn state_and_group(stat: &str) -> Option<(char, u32)> {
    // The name of the program stands in parentheses and may itself contain some.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    let group = fields.nth(1)?.parse().ok()?;
    Some((state, group))
}

/// The options of what is mounted at `target`, from `/proc/mounts`. The last mount is on top.
pub(crate) fn mount_options<'a>(mounts: &'a str, target: &str) -> Option<&'a str> {
    mounts.lines().rev().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        (fields.next()? == target).then(|| fields.nth(1)).flatten()
    })
}

/// The first executable file called `name` in the directories of `path`.
pub(crate) fn find_program(path: &OsStr, name: &str) -> Option<PathBuf> {
    env::split_paths(path).map(|directory| directory.join(name)).find(|file| {
        fs::metadata(file)
            .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_may_contain_parentheses() {
        assert_eq!(state_and_group("7 (a) b (c)) S 1 42 42 0"), Some(('S', 42)));
        assert_eq!(state_and_group("nonsense"), None);
    }

    #[test]
    fn the_last_mount_counts() {
        let mounts = "a /x tmpfs ro 0 0\nb /y proc rw 0 0\nc /x ext4 rw,relatime 0 0\n";
        assert_eq!(mount_options(mounts, "/x"), Some("rw,relatime"));
        assert_eq!(mount_options(mounts, "/z"), None);
    }

    #[test]
    fn sh_is_somewhere() {
        assert!(find_program(OsStr::new("/nowhere:/bin:/usr/bin"), "sh").is_some());
        assert!(find_program(OsStr::new("/bin"), "no such program").is_none());
    }
}
