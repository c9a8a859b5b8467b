//! What did the kernel see? The output of strace(1), read back.

use std::collections::HashMap;

/// One system call, as strace wrote it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syscall {
    /// The process that made it, by its number out here.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// Its arguments, as text.
    pub args: Vec<String>,
    /// What it returned: `0`, `3`, `-1 EPERM (…)`; `?` when it did not return.
    pub result: String,
}

impl Syscall {
    /// The errno's name, when it failed.
    pub fn errno(&self) -> Option<&str> {
        self.result.strip_prefix("-1 ")?.split(' ').next()
    }

    /// The number that it returned, when it succeeded.
    pub fn number(&self) -> Option<i64> {
        self.result.split(' ').next()?.parse().ok().filter(|number| *number >= 0)
    }

    /// The process that it returned, by its number out here: `2 /* 4711 in strace's PID NS */`.
    pub fn process(&self) -> Option<i32> {
        let translated = self.result.split_once("/* ").and_then(|(_, rest)| rest.split(' ').next());
        match translated {
            Some(number) => number.parse().ok(),
            None => self.number().and_then(|number| i32::try_from(number).ok()),
        }
    }

    /// The call as strace wrote it.
    pub fn text(&self) -> String {
        format!("{}({}) = {}", self.name, self.args.join(", "), self.result)
    }
}

/// All system calls in the output of `strace -f -o FILE`, in the order in which they *began*.
pub fn parse(text: &str) -> Vec<Syscall> {
    let mut calls: Vec<Syscall> = Vec::new();
    // strace splits a call in two when another process comes between.
    let mut unfinished: HashMap<i32, (usize, String)> = HashMap::new();
    for line in text.lines() {
        let Some((pid, rest)) = pid_and_rest(line) else {
            continue;
        };
        if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(pid, (calls.len(), begun.to_string()));
            let name = begun.split('(').next().unwrap_or_default().to_string();
            calls.push(Syscall { pid, name, args: Vec::new(), result: "?".into() });
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((index, begun)) = unfinished.remove(&pid) else {
                continue;
            };
            let ending = resumed.split_once(" resumed>").map_or("", |(_, ending)| ending);
            if let Some(whole) = call(pid, &format!("{begun}{ending}")) {
                calls[index] = whole;
            }
        } else if let Some(whole) = call(pid, rest) {
            calls.push(whole);
        }
    }
    calls
}

fn pid_and_rest(line: &str) -> Option<(i32, &str)> {
    let (pid, rest) = line.split_once(' ')?;
    Some((pid.parse().ok()?, rest.trim_start()))
}

/// `name(args) = result`; nothing for the lines about signals and exits.
fn call(pid: i32, text: &str) -> Option<Syscall> {
    let (name, rest) = text.split_once('(')?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return None;
    }
    let (args, used) = arguments(rest)?;
    let result = rest[used..].trim_start().strip_prefix('=')?.trim().to_string();
    Some(Syscall { pid, name: name.to_string(), args, result })
}

/// The arguments up to the closing bracket, and how many bytes they took with it.
fn arguments(text: &str) -> Option<(Vec<String>, usize)> {
    let mut args = Vec::new();
    let mut start = 0;
    let mut depth = 0;
    let mut quoted = false;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            ')' if depth == 0 => {
                push(&mut args, &text[start..index]);
                return Some((args, index + 1));
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                push(&mut args, &text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    None
}

fn push(args: &mut Vec<String>, text: &str) {
    if !text.trim().is_empty() {
        args.push(text.trim().to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn calls_are_read_with_their_arguments() {
        let text = "12 mount(\"a,b)\", \"/\", NULL, MS_REC|MS_PRIVATE, NULL) = 0\n\
                    12 setns(3, CLONE_NEWUTS) = -1 EPERM (Operation not permitted)\n\
                    12 --- SIGCHLD {si_signo=SIGCHLD} ---\n\
                    12 +++ exited with 0 +++\n";
        let calls = parse(text);
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[0].args, ["\"a,b)\"", "\"/\"", "NULL", "MS_REC|MS_PRIVATE", "NULL"]);
        assert_eq!(calls[1].errno(), Some("EPERM"));
    }

    #[test]
    fn a_call_that_was_interrupted_is_put_together() {
        let text = "12 clone3({flags=CLONE_NEWUTS} <unfinished ...>\n\
                    13 getpid() = 13\n\
                    12 <... clone3 resumed>, 88) = 13\n";
        let calls = parse(text);
        assert_eq!(calls[0].name, "clone3");
        assert_eq!(calls[0].args, ["{flags=CLONE_NEWUTS}", "88"]);
        assert_eq!(calls[0].number(), Some(13));
        assert_eq!(calls.len(), 2);
    }
}
