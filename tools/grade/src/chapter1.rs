//! Chapter 1: was the process looked after?

use anyhow::Result;
use primitives::Signal;

use crate::bench::{Bench, Check, text, words};
use crate::judge::{Trace, ended_with, in_a_child, nothing_left, status_taken};
use crate::run::{Folder, Launch, Run};
use crate::seen::Seen;
use crate::verdict::{Criterion, Verdict, criterion};

/// Signals that end a program which does nothing about them, and that nobody ignores for it.
const DEADLY: [Signal; 6] = [
    Signal::SIGKILL,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTERM,
    Signal::SIGVTALRM,
];

/// The checks of this chapter's exercises, in their order.
pub(crate) const CHECKS: &[Check] = &[endings, orphans, leak, environment];

/// 1.1: ends as the program ended.
pub(crate) fn endings(bench: &mut Bench) -> Result<Verdict> {
    let code = bench.chance.exit_code();
    let signal = *bench.chance.one_of(&DEADLY);
    let number = signal as u8;
    let exits = shell(bench, &format!("exit {code}"))?;
    let succeeds = shell(bench, "exit 0")?;
    let dies = shell(bench, &format!("kill -{number} $$"))?;
    let criteria = vec![
        in_a_child(&exits),
        status_taken(&exits, code),
        ended_with(&exits, format!("exit code {code} is handed on"), code),
        ended_with(&succeeds, "exit code 0 is handed on", 0),
        ended_with(&dies, format!("{signal} becomes {}", 128 + number), 128 + number),
        nothing_left(&dies),
    ];
    Ok(judged(criteria, &exits))
}

fn shell(bench: &Bench, script: &str) -> Result<Run> {
    let command = words(["sh", "-c", script]);
    Launch::new(&bench.program, Vec::new(), command).run(&Folder::new()?)
}

/// 1.2: takes the status of every orphan.
pub(crate) fn orphans(bench: &mut Bench) -> Result<Verdict> {
    let count = bench.chance.number(3..=6) as usize;
    let codes = bench.chance.numbers(count + 1, 2..=119);
    let (own, orphans) = codes.split_first().expect("one more than the orphans");
    let mut script = String::new();
    for orphan in orphans {
        // The brackets are a shell that ends at once, so that what it started loses its parent.
        let late = bench.chance.number(2..=15);
        script += &format!("(sh -c 'sleep 0.{late:02}; exit {orphan}' &); ");
    }
    let run = shell(bench, &format!("{script}exit {own}"))?;
    let own = u8::try_from(*own).expect("an exit code");
    let criteria = vec![
        in_a_child(&run),
        offered_first(&run.trace),
        status_taken(&run, own),
        all_taken(&run.trace, orphans),
        nothing_left(&run),
        ended_with(&run, "your program ends, with the exit code of CMD", own),
    ];
    Ok(judged(criteria, &run))
}

/// The offer to adopt comes before there can be an orphan.
fn offered_first(trace: &Trace) -> Criterion {
    let offer =
        trace.done("prctl").find(|at| trace.at(*at).primitive == "prctl_set_child_subreaper");
    let birth = trace.births().next();
    let met =
        matches!((offer, birth), (Some(offer), Some((birth, _))) if trace.before(offer, birth));
    criterion("your program offers to adopt before it makes a child", met, || {
        match offer {
            None => "no request in the trace makes that offer, so orphans go to somebody else",
            Some(_) => "the offer comes too late: an orphan may have gone to somebody else already",
        }
        .to_string()
    })
}

/// Each orphan's status was taken. The codes differ from each other and from that of the program.
fn all_taken(trace: &Trace, orphans: &[u32]) -> Criterion {
    let taken = trace.taken();
    let missing = orphans
        .iter()
        .filter(|orphan| !taken.iter().any(|(_, code)| u32::from(*code) == **orphan))
        .count();
    let what = format!("the statuses of all {} orphans are taken", orphans.len());
    criterion(what, missing == 0, || format!("the trace shows no waitid for {missing} of them"))
}

/// 1.3: hands on three descriptors.
pub(crate) fn leak(bench: &mut Bench) -> Result<Verdict> {
    let folder = Folder::new()?;
    let secret = bench.chance.word("secret-");
    let code = bench.chance.exit_code();
    let count = bench.chance.number(1..=3) as usize;
    // A shell cannot name descriptors above 9.
    let numbers = bench.chance.numbers(count, 3..=9);
    let stray = folder.file("stray");
    std::fs::write(&stray, bench.chance.word("stray-"))?;
    let opened: Vec<String> =
        numbers.iter().map(|number| format!("{number}<'{}'", text(&stray))).collect();
    let open = format!("exec {}; exec \"$@\"", opened.join(" "));
    let options = vec!["--secret".to_string(), secret.clone()];
    let mut launch = Launch::new(&bench.program, options, bench.here(&folder, code));
    launch.before = words(["sh", "-c", &open, "sh"]);
    let run = launch.run(&folder)?;
    let criteria = vec![
        in_a_child(&run),
        secret_kept(run.seen.as_ref(), &secret),
        three_only(run.seen.as_ref()),
        three_kept(run.seen.as_ref(), &folder),
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

fn secret_kept(seen: Option<&Seen>, secret: &str) -> Criterion {
    let leak = seen.and_then(|seen| {
        let mut contents = seen.contents.iter();
        contents.find(|(_, content)| content.contains(secret))
    });
    let what = "the secret cannot be read by CMD";
    criterion(what, seen.is_some() && leak.is_none(), || match leak {
        Some((number, _)) => {
            format!("descriptor {number} of CMD is open, and behind it is the secret")
        }
        None => NEVER_SEEN.to_string(),
    })
}

fn three_only(seen: Option<&Seen>) -> Criterion {
    let others: Vec<String> = seen
        .into_iter()
        .flat_map(|seen| seen.descriptors.keys())
        .filter(|number| **number > 2)
        .map(u32::to_string)
        .collect();
    let what = "CMD has no descriptor above 2";
    criterion(what, seen.is_some() && others.is_empty(), || match seen {
        Some(_) => format!("open in CMD: {}", others.join(", ")),
        None => NEVER_SEEN.to_string(),
    })
}

fn three_kept(seen: Option<&Seen>, folder: &Folder) -> Criterion {
    let wanted = ["/dev/null".to_string(), text(&folder.file("out")), text(&folder.file("err"))];
    let met = seen.is_some_and(|seen| {
        let mut both = (0..).zip(&wanted);
        both.all(|(number, file)| seen.descriptors.get(&number) == Some(file))
    });
    criterion("CMD has descriptors 0, 1 and 2 as you had them", met, || {
        match seen {
            Some(_) => "one of them is closed in CMD, or leads to another file",
            None => NEVER_SEEN,
        }
        .to_string()
    })
}

/// 1.4: hands on the given environment and no other.
pub(crate) fn environment(bench: &mut Bench) -> Result<Verdict> {
    let folder = Folder::new()?;
    let code = bench.chance.exit_code();
    let variable = |bench: &mut Bench, prefix: &str| {
        let name = bench.chance.word(prefix).to_uppercase();
        format!("{name}={}", bench.chance.word(""))
    };
    let count = bench.chance.number(1..=4);
    let given: Vec<String> = (0..count).map(|_| variable(bench, "given_")).collect();
    let options = given.iter().flat_map(|given| ["--env".to_string(), given.clone()]).collect();
    let mut launch = Launch::new(&bench.program, options, bench.here(&folder, code));
    let name = bench.chance.word("token_").to_uppercase();
    launch.environment.push((name, bench.chance.word("")));
    let run = launch.run(&folder)?;
    let criteria = vec![
        in_a_child(&run),
        has_given(run.seen.as_ref(), &given),
        has_no_other(run.seen.as_ref(), &given),
        status_taken(&run, code),
        ended_with(&run, "your program ends with the exit code of CMD", code),
        nothing_left(&run),
    ];
    Ok(judged(criteria, &run))
}

fn has_given(seen: Option<&Seen>, given: &[String]) -> Criterion {
    let missing = |seen: &&Seen| {
        let mut missing = given.iter().filter(|given| !seen.environment.contains(given));
        missing.next().cloned()
    };
    let missing = seen.as_ref().and_then(missing);
    let what = "CMD has every variable that was given";
    criterion(what, seen.is_some() && missing.is_none(), || match missing {
        Some(missing) => format!("{missing} was given, and CMD does not have it"),
        None => NEVER_SEEN.to_string(),
    })
}

fn has_no_other(seen: Option<&Seen>, given: &[String]) -> Criterion {
    let others: Vec<&str> = seen
        .into_iter()
        .flat_map(|seen| &seen.environment)
        .filter(|variable| !given.contains(variable))
        .map(|variable| variable.split('=').next().unwrap_or_default())
        .collect();
    let what = "CMD has no other variable";
    criterion(what, seen.is_some() && others.is_empty(), || match others.first() {
        Some(one) => format!("it has {} more, such as {one}", others.len()),
        None => NEVER_SEEN.to_string(),
    })
}

/// Why nothing can be said of a program that was never there.
pub(crate) const NEVER_SEEN: &str = "CMD did not come so far that it could be looked at";

/// The verdict on one run.
pub(crate) fn judged(criteria: Vec<Criterion>, run: &Run) -> Verdict {
    Verdict::Judged { criteria, said: run.err.clone() }
}

#[cfg(test)]
mod tests {
    use trace::{Arg, Outcome};

    use super::{all_taken, has_no_other, offered_first, secret_kept, three_only};
    use crate::judge::Trace;
    use crate::judge::tests::{birth, ended, request, zero};
    use crate::seen::Seen;

    fn offer(seq: u64, outcome: Outcome) -> trace::Event {
        let names = ("prctl", "prctl_set_child_subreaper");
        request((seq, 10), names, Vec::new(), outcome)
    }

    #[test]
    fn an_offer_counts_when_it_comes_first_and_is_taken() {
        let good = Trace::new(&[offer(1, zero()), birth(2, 10, 11)]);
        assert!(offered_first(&good).is_met());
        let late = Trace::new(&[birth(1, 10, 11), offer(2, zero())]);
        assert!(!offered_first(&late).is_met());
        let refused = Outcome::Errno("EINVAL".into());
        let lying = Trace::new(&[offer(1, refused), birth(2, 10, 11)]);
        assert!(!offered_first(&lying).is_met());
    }

    #[test]
    fn every_orphan_counts() {
        let code = |seq, pid, code| ended(seq, 10, pid, ("exited", Arg::Number(code)));
        let trace = Trace::new(&[birth(1, 10, 11), code(2, 20, 7), code(3, 21, 9)]);
        assert!(all_taken(&trace, &[9, 7]).is_met());
        assert!(!all_taken(&trace, &[9, 7, 8]).is_met());
    }

    #[test]
    fn what_the_kernel_shows_is_what_counts() {
        let mut seen = Seen::default();
        seen.descriptors.insert(5, "/memfd:secret (deleted)".into());
        seen.contents.insert(5, "secret-xyz".into());
        seen.environment.push("TOKEN=1".into());
        assert!(!secret_kept(Some(&seen), "secret-xyz").is_met());
        assert!(!three_only(Some(&seen)).is_met());
        assert!(!has_no_other(Some(&seen), &["A=b".into()]).is_met());
        assert!(secret_kept(Some(&Seen::default()), "secret-xyz").is_met());
        assert!(!secret_kept(None, "secret-xyz").is_met());
    }
}
