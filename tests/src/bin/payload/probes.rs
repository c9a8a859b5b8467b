//! What happens when something is tried?

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::process::Command;

/// The end of what is told of a file.
const ENOUGH: u64 = 4096;

/// Opening must not hang on a pipe or become anybody's terminal: O_NONBLOCK | O_NOCTTY.
const CAREFULLY: i32 = 0o4000 | 0o400;

/// What came out: `ok …`, or `errno N`.
pub(crate) fn answer(verb: &str, rest: &str) -> String {
    let tried = match verb {
        "read" => read(rest),
        "write" => open_to_write(rest),
        "create" => File::create_new(rest).map(|_| String::new()),
        "mkdir" => fs::create_dir(rest).map(|()| String::new()),
        "list" => list(rest),
        "stat" => stat(rest),
        "chmod" => chmod(rest),
        "chroot" => std::os::unix::fs::chroot(rest).map(|()| String::new()),
        "run" => run(rest),
        _ => return format!("unknown verb {verb}"),
    };
    match tried {
        Ok(text) => format!("ok {text}"),
        Err(error) => match error.raw_os_error() {
            Some(number) => format!("errno {number}"),
            None => format!("error {error}"),
        },
    }
}

fn read(path: &str) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(CAREFULLY).open(path)?;
    let mut content = Vec::new();
    file.take(ENOUGH).read_to_end(&mut content)?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}

/// Opens it, and writes nothing.
fn open_to_write(path: &str) -> io::Result<String> {
    let file = OpenOptions::new().write(true).custom_flags(CAREFULLY).open(path);
    file.map(|_| String::new())
}

fn list(path: &str) -> io::Result<String> {
    let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name()));
    let names: io::Result<Vec<_>> = entries.collect();
    let mut names: Vec<String> =
        names?.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names.join(" "))
}

/// The type as in `ls -l`, mode, owner, group, device.
fn stat(path: &str) -> io::Result<String> {
    let metadata = fs::symlink_metadata(path)?;
    let about = crate::report::about(&metadata);
    let words = ["type", "mode", "uid", "gid", "rdev"];
    let words = words.map(|word| about[word].to_string().replace('"', ""));
    Ok(format!("{} nlink {}", words.join(" "), metadata.nlink()))
}

fn chmod(rest: &str) -> io::Result<String> {
    let (mode, path) = rest.split_once(':').unwrap_or(("", rest));
    let mode = u32::from_str_radix(mode, 8).unwrap_or(0o600);
    fs::set_permissions(path, Permissions::from_mode(mode)).map(|()| String::new())
}

fn run(line: &str) -> io::Result<String> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap_or_default()).args(words).output()?;
    let code = output.status.code().unwrap_or(-1);
    let said = String::from_utf8_lossy(&output.stdout).trim_end().to_string();
    let complained = String::from_utf8_lossy(&output.stderr).trim_end().to_string();
    Ok(format!("{code} {said}{complained}"))
}
