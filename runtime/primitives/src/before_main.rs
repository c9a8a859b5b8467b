//! How is a program sealed before it has begun?
//!
//! [`crate::seal_own_program`] lets the program begin anew, and to begin is what takes longest: the C
//! library asks the processor what it can by some fifty `cpuid` instructions, each of which stops a
//! virtual machine, 0.3 ms in all. So the kernel enters the runtime here, one step before the C
//! library, and what must begin anew has nothing to begin twice. (`runtime/build.rs` says so to the
//! linker. Only on x86-64, because others have no such instruction.)
//!
//! Nothing is there yet: no thread-local storage, so no `errno`; no allocator; of a static program not
//! even `memcpy`. There is the stack as the kernel has laid it, and system calls. Whatever is refused,
//! the program goes on as if it had not been asked for, and fails again where somebody can be told.

use std::arch::{asm, global_asm};
use std::ffi::CStr;
use std::mem::MaybeUninit;

use crate::window::FLAGS;

// The stack is as the ABI wants it at a call, and `rdx` belongs to the C library.
global_asm!(
    ".globl porthole_begin",
    "porthole_begin:",
    "xor ebp, ebp",
    "mov rbx, rdx",
    "mov rdi, rsp",
    "call {seal}",
    "mov rdx, rbx",
    "jmp _start",
    seal = sym seal,
);

const EXE: &CStr = c"/proc/self/exe";

/// Begins anew from a read-only mount of the program's file, or comes back.
///
/// # Safety
/// `stack` is what the kernel has laid: the number of words, the words, null, the environment, null.
unsafe extern "C" fn seal(stack: *const usize) {
    // SAFETY: by the promise above.
    let count = unsafe { stack.read() };
    // SAFETY: as above; the words begin behind their number.
    let words = unsafe { stack.add(1) }.cast::<*const u8>();
    // SAFETY: as above; behind the words is a null.
    let environment = unsafe { words.add(count + 1) };
    if !is_wanted((1..count).map(|index| word(words, index))) || is_readonly() {
        return;
    }
    begin_anew(words, environment);
}

/// A word of the command line; volatile, so that nobody makes a call of the C library out of a loop.
fn word(words: *const *const u8, index: usize) -> impl Iterator<Item = u8> + Clone {
    // SAFETY: `seal` counts no further than there are words.
    let place = unsafe { words.add(index) };
    // SAFETY: as above.
    let mut next = unsafe { place.read() };
    std::iter::from_fn(move || {
        // SAFETY: the word is not over, for no null byte has come.
        let byte = unsafe { next.read_volatile() };
        // SAFETY: behind this byte is another, unless it is the null byte, and then nobody reads there.
        next = unsafe { next.add(usize::from(byte != 0)) };
        (byte != 0).then_some(byte)
    })
}

/// Whether the words are those of a command that enters containers, and nobody may want to watch. Wrong
/// only on the safe side: the program seals itself when it has read its command line.
fn is_wanted(words: impl Iterator<Item = impl Iterator<Item = u8> + Clone>) -> bool {
    let mut enters = false;
    for word in words {
        if is_a_flag_of_the_window(&word) {
            return false;
        }
        let is = |name: &[u8]| word.clone().eq(name.iter().copied());
        enters |= is(b"create") || is(b"run") || is(b"exec");
    }
    enters
}

/// Also where a value follows behind `=`.
fn is_a_flag_of_the_window(word: &(impl Iterator<Item = u8> + Clone)) -> bool {
    let name = word.clone().take_while(|byte| *byte != b'=');
    let is = |flag: &&str| name.clone().eq(flag.bytes());
    FLAGS.iter().any(is) || is(&"--debug")
}

/// Whether the program runs from a read-only mount, because it has begun anew already, or anyway.
fn is_readonly() -> bool {
    // A `struct statfs` has fifteen words, and the eleventh is `f_flags`.
    let mut about = MaybeUninit::<[u64; 15]>::uninit();
    let [path, into] = [EXE.as_ptr() as usize, about.as_mut_ptr() as usize];
    if call(libc::SYS_statfs, [path, into, 0, 0, 0]) != 0 {
        return false;
    }
    // SAFETY: the kernel has filled it.
    let flags = unsafe { about.assume_init_ref() }[10];
    flags & libc::ST_RDONLY != 0
}

fn begin_anew(words: *const *const u8, environment: *const *const u8) {
    const HERE: usize = libc::AT_FDCWD as usize;
    const ITSELF: usize = libc::AT_EMPTY_PATH as usize;
    const COPY: usize = (libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC) as usize;
    let (exe, nothing) = (EXE.as_ptr() as usize, c"".as_ptr() as usize);
    let tree = call(libc::SYS_open_tree, [HERE, exe, COPY, 0, 0]);
    let Ok(tree) = usize::try_from(tree) else { return };
    let change = [libc::MOUNT_ATTR_RDONLY, 0, 0, 0];
    let (at, size) = (change.as_ptr() as usize, size_of_val(&change));
    if call(libc::SYS_mount_setattr, [tree, nothing, ITSELF, at, size]) == 0 {
        let (words, environment) = (words as usize, environment as usize);
        call(libc::SYS_execveat, [tree, nothing, words, environment, ITSELF]);
    }
    call(libc::SYS_close, [tree, 0, 0, 0, 0]);
}

/// A system call; a negative errno when it was refused.
fn call(number: libc::c_long, arguments: [usize; 5]) -> isize {
    let [a, b, c, d, e] = arguments;
    let result: isize;
    // SAFETY: the calls above read what their arguments point to, which lives until they return, and
    // write to the one place that they are given for it.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

#[cfg(test)]
mod tests {
    use super::is_wanted;

    fn wanted(line: &str) -> bool {
        is_wanted(line.split(' ').map(str::bytes))
    }

    #[test]
    fn who_enters_a_container_unwatched_is_sealed_at_once() {
        for line in ["run c1", "--root /x create --bundle b c1", "exec -t c1 sh", "run -- --trace-"]
        {
            assert!(wanted(line), "{line}");
        }
        for line in
            ["state c1", "runs c1", "ru", "--debug run c1", "run --trace=json c1", "features"]
        {
            assert!(!wanted(line), "{line}");
        }
        for flag in crate::window::FLAGS {
            assert!(!wanted(&format!("{flag} x run c1")), "{flag}");
            assert!(!wanted(&format!("run c1 {flag}=x")), "{flag}");
        }
    }
}
