//! Chapter 10: which doors are closed, and for whom?

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;
use trace::{Arg, Outcome};

use crate::bench::{Bench, Check, text, words};
use crate::chapter1::judged;
use crate::judge::{Trace, ended_with, in_a_child, nothing_left};
use crate::run::{Folder, Launch, Run};
use crate::verdict::{Criterion, Verdict, criterion};

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[one_door, some_bits, count, room];

/// A call, its number here, and a program that makes it once: what it says when it is refused.
struct Door {
    name: &'static str,
    number: u32,
    program: &'static [&'static str],
}

const fn door(name: &'static str, number: u32, program: &'static [&'static str]) -> Door {
    Door { name, number, program }
}

#[cfg(target_arch = "x86_64")]
const DOORS: [Door; 3] = [
    door("mkdir", 83, &["mkdir", "made"]),
    door("rmdir", 84, &["rmdir", "there"]),
    door("symlinkat", 266, &["ln", "-s", "x", "link"]),
];
#[cfg(not(target_arch = "x86_64"))]
const DOORS: [Door; 3] = [
    door("mkdirat", 34, &["mkdir", "made"]),
    door("unlinkat", 35, &["rmdir", "there"]),
    door("symlinkat", 36, &["ln", "-s", "x", "link"]),
];

/// Errnos that none of these calls would give by itself, and what the C library says of them.
const ERRNOS: [(u16, &str); 4] = [
    (38, "Function not implemented"),
    (28, "No space left on device"),
    (18, "Invalid cross-device link"),
    (122, "Disk quota exceeded"),
];

/// 10.1: one call is refused, all others pass, and those of another architecture end the process.
pub(crate) fn one_door(bench: &mut Bench) -> Result<Verdict> {
    let closed = bench.chance.one_of(&[0_usize, 1, 2]).to_owned();
    let (errno, says) = *bench.chance.one_of(&ERRNOS);
    let options =
        words(["--call", &DOORS[closed].number.to_string(), "--errno", &errno.to_string()]);
    let run = |command: Vec<String>| -> Result<Run> {
        let folder = Folder::new()?;
        let there = folder.file("there");
        fs::create_dir(&there)?;
        let script = format!("cd {} && \"$@\"", text(folder.path()));
        let command = words(["sh", "-c", &script, "sh"]).into_iter().chain(command).collect();
        Launch::new(&bench.program, options.clone(), command).run(&folder)
    };
    let mut criteria = Vec::new();
    let mut shown = None;
    for (index, door) in DOORS.iter().enumerate() {
        let tried = run(door.program.iter().map(|word| (*word).to_string()).collect())?;
        if index == closed {
            criteria.push(in_a_child(&tried));
            criteria.push(refused(&tried, door.name, says));
            criteria.push(nothing_left(&tried));
            shown = Some(tried);
        } else {
            criteria.push(ended_with(&tried, format!("{} works as ever", door.name), 0));
        }
    }
    let status = run(words(["grep", "NoNewPrivs:.1", "/proc/self/status"]))?;
    criteria.push(ended_with(&status, "CMD can gain no rights", 0));
    if let Some(other) = other_architecture()? {
        let tried = run(vec![text(other.1.as_path())])?;
        let what = "a call by the numbers of 32-bit programs ends the process (SIGSYS: 159)";
        criteria.push(ended_with(&tried, what, 159));
    }
    let shown = shown.expect("one of the doors is the closed one");
    Ok(judged(criteria, &shown))
}

fn refused(run: &Run, call: &str, says: &str) -> Criterion {
    let met = run.err.contains(says);
    criterion(format!("{call} fails with \"{says}\""), met, || match run.code {
        Some(0) => "it is done".to_string(),
        _ => "it fails with something else, see below".to_string(),
    })
}

/// A 32-bit program that makes one call, mkdir, and ends with the errno of it; none where this
/// machine runs no such programs.
fn other_architecture() -> Result<Option<(Folder, std::path::PathBuf)>> {
    let folder = Folder::new()?;
    let path = folder.file("other");
    fs::write(&path, elf32())?;
    fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    let runs = std::process::Command::new(&path).status();
    const ENOENT: i32 = 2;
    let runs = runs.is_ok_and(|status| status.code() == Some(ENOENT));
    Ok(runs.then_some((folder, path)))
}

/// The whole program: an ELF header, one segment, and 28 bytes of code for the Intel 386.
fn elf32() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const CODE: u32 = 52 + 32;
    let mut code = vec![0xb8, 39, 0, 0, 0]; // mov eax, mkdir
    code.push(0xbb); // mov ebx, path
    code.extend((BASE + CODE + 28).to_le_bytes());
    code.extend([0xb9, 0xc0, 1, 0, 0, 0xcd, 0x80]); // mov ecx, 0700; int 0x80
    code.extend([0xf7, 0xd8, 0x89, 0xc3]); // neg eax; mov ebx, eax
    code.extend([0xb8, 1, 0, 0, 0, 0xcd, 0x80]); // mov eax, exit; int 0x80
    code.extend(b"/proc/never\0");
    let whole = CODE + u32::try_from(code.len()).expect("a few bytes");
    let mut elf = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0\x01\0\0\0".to_vec();
    for word in [BASE + CODE, 52, 0, 0] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend([52, 0, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    for word in [1, 0, BASE, BASE, whole, whole, 5, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

/// 10.2: masks that have all the bits are refused.
pub(crate) fn some_bits(bench: &mut Bench) -> Result<Verdict> {
    let places = bench.chance.numbers(2, 0..=8);
    let bits = places.iter().fold(0_u32, |bits, place| bits | 1 << place);
    let other = bench.chance.number(0..=8);
    let more = bits | 1 << other;
    let less = bits & !(1 << places[0]);
    let set = |mask: u32| -> Result<Run> {
        let script = format!(
            "umask 0 2>/dev/null; umask {mask:o} 2>/dev/null; grep Umask /proc/self/status"
        );
        let options = words(["--bits", &bits.to_string()]);
        Launch::new(&bench.program, options, words(["sh", "-c", &script])).run(&Folder::new()?)
    };
    let (same, more_too, fewer, none) = (set(bits)?, set(more)?, set(less)?, set(0)?);
    let criteria = vec![
        in_a_child(&same),
        mask(&same, bits, false),
        mask(&more_too, more, false),
        mask(&fewer, less, true),
        mask(&none, 0, true),
        ended_with(&same, "your program ends with the exit code of CMD", 0),
        nothing_left(&same),
    ];
    Ok(judged(criteria, &same))
}

/// What the kernel says of the mask after CMD has set it, or tried to.
fn mask(run: &Run, wanted: u32, passes: bool) -> Criterion {
    let is = run.out.trim().strip_prefix("Umask:").map(str::trim);
    let set = is.and_then(|text| u32::from_str_radix(text, 8).ok()) == Some(wanted);
    let what = match passes {
        true => format!("umask({wanted:#o}) passes"),
        false => format!("umask({wanted:#o}) is refused"),
    };
    criterion(what, is.is_some() && set == passes, || match is {
        Some(mask) => format!("afterwards the mask is {mask}"),
        None => "CMD could not even look".to_string(),
    })
}

/// 10.3: so many directories are made, and no more.
pub(crate) fn count(bench: &mut Bench) -> Result<Verdict> {
    const ALL: u32 = 7;
    let count = bench.chance.number(1..=5);
    let code = bench.chance.exit_code();
    let folder = Folder::new()?;
    let place = text(folder.path());
    let script = format!("cd {place} && for d in $(seq {ALL}); do mkdir d$d; done; exit {code}");
    let options = words(["--count", &count.to_string()]);
    let run = Launch::new(&bench.program, options, words(["sh", "-c", &script])).run(&folder)?;
    let made = (1..=ALL).filter(|d| folder.file(&format!("d{d}")).is_dir()).count();
    let full = run.err.matches("No space left on device").count();
    let refused = answers(&run.trace, "-ENOSPC");
    let want = (ALL - count) as usize;
    let criteria = vec![
        in_a_child(&run),
        criterion(format!("{count} of {ALL} directories are made"), made == count as usize, || {
            format!("{made} are there")
        }),
        criterion(format!("{want} fail with \"No space left on device\""), full == want, || {
            format!("{full} do")
        }),
        criterion("it is the one who listens that refuses", refused == want, || {
            format!("the trace has {refused} answers with ENOSPC")
        }),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

/// How many calls were answered with this error, by the trace.
fn answers(trace: &Trace, error: &str) -> usize {
    let is = |arg: &Arg| {
        let Arg::Fields(fields) = arg else { return false };
        fields.iter().any(|(name, value)| name == "error" && value == &Arg::Word(error.into()))
    };
    trace.done("ioctl").filter(|at| trace.at(*at).args.iter().any(is)).count()
}

/// 10.4: files change in one room only.
pub(crate) fn room(bench: &mut Bench) -> Result<Verdict> {
    if primitives::landlock_abi().is_none() {
        return Ok(Verdict::Skipped("this kernel has no Landlock".to_string()));
    }
    let (room, other) = (Folder::new()?, Folder::new()?);
    let code = bench.chance.exit_code();
    let name = bench.chance.word("file");
    fs::write(other.file("old"), "old")?;
    let here = format!("cd {}", text(room.path()));
    let there = format!("cd {}", text(other.path()));
    let script = format!(
        "{here} && echo x > {name} && mkdir d && mv {name} d/{name}; {there} || exit 99; \
         echo x > {name}; mkdir d; rm old; echo x > old; cat old >/dev/null; exit {code}"
    );
    let options = vec!["--room".to_string(), text(room.path())];
    let trace = Folder::new()?;
    let run = Launch::new(&bench.program, options, words(["sh", "-c", &script])).run(&trace)?;
    let criteria = vec![
        in_a_child(&run),
        exists(&room.file(&format!("d/{name}")), "in the room files are made and moved", true),
        exists(&other.file(&name), "no file is made elsewhere", false),
        exists(&other.file("d"), "no directory is made elsewhere", false),
        criterion("what lies elsewhere stays as it is", unchanged(&other.file("old")), || {
            "it was removed, or written to".to_string()
        }),
        restricted(&run.trace),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

fn exists(path: &Path, what: &str, wanted: bool) -> Criterion {
    criterion(what, path.exists() == wanted, || match wanted {
        true => "it is not there".to_string(),
        false => "it is there".to_string(),
    })
}

fn unchanged(path: &Path) -> bool {
    fs::read(path).is_ok_and(|content| content == b"old")
}

fn restricted(trace: &Trace) -> Criterion {
    let done = trace
        .done("landlock_restrict_self")
        .any(|at| matches!(trace.at(at).outcome, Outcome::Result(_)));
    criterion("it is Landlock that forbids it", done, || {
        "no landlock_restrict_self succeeded in the trace".to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::elf32;

    #[test]
    fn the_small_program_is_whole() {
        let elf = elf32();
        assert_eq!(elf.len(), 52 + 32 + 28 + 12);
        assert_eq!(&elf[..4], b"\x7fELF");
    }
}
