//! What did the reader ask to be refused, killed, stopped at or left out?

use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use trace::Record;

use crate::error::{Error, Result, errno_from_name};
use crate::shared::SharedCounters;
use crate::window::args::WindowArgs;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action {
    Refuse(Errno),
    Kill,
    /// `named` when a break point asks, and not every request is stopped at.
    Pause {
        named: bool,
    },
}

#[derive(Debug)]
enum Select {
    Every,
    Call { name: String, nth: Option<u32> },
    Role { role: String, nth: u32 },
    CallOrStep(String),
}

#[derive(Debug)]
struct Rule {
    flag: String,
    select: Select,
    action: Action,
}

/// All rules, and for each how often its subject came up, counted over all processes together.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    left_out: Vec<String>,
    /// Whether processes that this one does not hear of may have come under the rules too.
    elsewhere: bool,
    /// One counter for each rule, then one for each step to be left out.
    seen: SharedCounters,
}

impl Rules {
    /// Reads the flags.
    pub(crate) fn from_args(args: &WindowArgs) -> Result<Rules> {
        let mut rules = Vec::new();
        for text in &args.fail {
            rules.push(fail(text)?);
        }
        for text in &args.fail_at {
            rules.push(fail_at(text)?);
        }
        for text in &args.kill_at {
            let (role, nth) = role_and_number("--kill-at", text)?;
            let select = Select::Role { role, nth };
            rules.push(Rule { flag: format!("--kill-at {text}"), select, action: Action::Kill });
        }
        for text in &args.breaks {
            let (select, action) = (Select::CallOrStep(slug(text)), Action::Pause { named: true });
            rules.push(Rule { flag: format!("--break {text}"), select, action });
        }
        if args.step {
            let flag = "--step".to_string();
            rules.push(Rule {
                flag,
                select: Select::Every,
                action: Action::Pause { named: false },
            });
        }
        let left_out: Vec<String> = args.without.iter().map(|name| slug(name)).collect();
        let seen = SharedCounters::new(rules.len() + left_out.len())?;
        Ok(Rules { rules, left_out, elsewhere: false, seen })
    }

    /// From now on some of what comes under the rules is counted by others.
    pub(crate) fn count_elsewhere(&mut self) {
        self.elsewhere = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.left_out.is_empty()
    }

    /// Whether any rule can stop the program, so that somebody must be there to answer.
    pub(crate) fn can_pause(&self) -> bool {
        self.rules.iter().any(|rule| rule.pauses())
    }

    /// What happens to this request: the first rule that applies decides, but each one counts.
    pub(crate) fn action_for(&self, record: &Record) -> Option<Action> {
        let mut action = None;
        for (index, rule) in self.rules.iter().enumerate() {
            if rule.applies(record, self.seen.get(index)) {
                action = action.or(Some(rule.action));
            }
        }
        action
    }

    /// Whether the reader asked to leave this step out.
    pub(crate) fn leaves_out(&self, step: &str) -> bool {
        let step = slug(step);
        let Some(index) = self.left_out.iter().position(|name| *name == step) else {
            return false;
        };
        self.seen.get(self.rules.len() + index).fetch_add(1, Ordering::Relaxed);
        true
    }

    /// The flags that never had an effect: mistyped, perhaps, and the reader would never know.
    pub(crate) fn unused(&self) -> Vec<String> {
        if self.elsewhere {
            return Vec::new();
        }
        let rules =
            self.rules.iter().enumerate().filter(|(_, rule)| !matches!(rule.select, Select::Every));
        let rules = rules.filter_map(|(index, rule)| rule.unused(self.seen.get(index)));
        let steps = self.left_out.iter().enumerate().filter_map(|(index, name)| {
            let seen = self.seen.get(self.rules.len() + index).load(Ordering::Relaxed);
            (seen == 0).then(|| format!("--without {name}: there was no step of that name"))
        });
        rules.chain(steps).collect()
    }
}

impl Rule {
    fn pauses(&self) -> bool {
        matches!(self.action, Action::Pause { .. })
    }

    /// Counts the request if it is this rule's subject; true when it is the one that is meant.
    fn applies(&self, record: &Record, seen: &AtomicU32) -> bool {
        let subject = match &self.select {
            Select::Every => true,
            Select::Call { name, .. } => *name == record.call,
            Select::Role { role, .. } => *role == record.role,
            Select::CallOrStep(name) => {
                *name == slug(&record.call) || record.step.iter().any(|step| *name == slug(step))
            }
        };
        if !subject {
            return false;
        }
        let number = seen.fetch_add(1, Ordering::Relaxed) + 1;
        match self.select {
            Select::Call { nth: Some(nth), .. } | Select::Role { nth, .. } => number == nth,
            Select::Call { nth: None, .. } | Select::CallOrStep(_) | Select::Every => true,
        }
    }

    fn unused(&self, seen: &AtomicU32) -> Option<String> {
        let seen = seen.load(Ordering::Relaxed);
        let wanted = match self.select {
            Select::Call { nth: Some(nth), .. } | Select::Role { nth, .. } => nth,
            _ => 1,
        };
        let flag = &self.flag;
        match seen {
            seen if seen >= wanted => None,
            0 => Some(format!("{flag}: there was no such request")),
            seen => Some(format!("{flag}: there were only {seen} such requests")),
        }
    }
}

fn fail(text: &str) -> Result<Rule> {
    let (subject, errno) = subject_and_errno("--fail", text)?;
    let (name, nth) = match subject.split_once(':') {
        Some((name, nth)) => (name, Some(number("--fail", text, nth)?)),
        None => (subject, None),
    };
    let select = Select::Call { name: name.to_string(), nth };
    Ok(Rule { flag: format!("--fail {text}"), select, action: Action::Refuse(errno) })
}

fn fail_at(text: &str) -> Result<Rule> {
    let (subject, errno) = subject_and_errno("--fail-at", text)?;
    let (role, nth) = role_and_number("--fail-at", subject)?;
    let select = Select::Role { role, nth };
    Ok(Rule { flag: format!("--fail-at {text}"), select, action: Action::Refuse(errno) })
}

fn subject_and_errno<'a>(flag: &str, text: &'a str) -> Result<(&'a str, Errno)> {
    let unusable = |what: &str| Error::Unusable(format!("{flag} {text}: {what}"));
    let (subject, errno) = text.split_once('=').ok_or_else(|| {
        unusable("it ends with the errno to refuse with, as in mount:2=EPERM or child:3=EPERM")
    })?;
    Ok((subject, errno_from_name(errno).map_err(|e| unusable(&e))?))
}

fn role_and_number(flag: &str, text: &str) -> Result<(String, u32)> {
    let (role, nth) = text.split_once(':').ok_or_else(|| {
        Error::Unusable(format!("{flag} {text}: name the process and count, as in child:3"))
    })?;
    Ok((role.to_string(), number(flag, text, nth)?))
}

fn number(flag: &str, text: &str, nth: &str) -> Result<u32> {
    match nth.parse() {
        Ok(nth) if nth > 0 => Ok(nth),
        _ => Err(Error::Unusable(format!("{flag} {text}: {nth:?} is no count from 1 on"))),
    }
}

/// A step's name as it is typed: `make private` and `make-private` are the same.
pub(crate) fn slug(name: &str) -> String {
    let lower = name.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;
    use trace::{Outcome, Record};

    use super::{Action, Rules, slug};
    use crate::window::args::WindowArgs;

    fn request(role: &'static str, call: &'static str, step: &'static str) -> Record {
        Record {
            seq: 0,
            role: role.into(),
            pid: 1,
            host_pid: 1,
            step: vec![step.into()],
            call: call.into(),
            primitive: call.into(),
            args: Vec::new(),
            outcome: Outcome::Pending(()),
            micros: 0,
            why: "see".into(),
            source: "x".into(),
            cleans_up: false,
        }
    }

    #[test]
    fn the_nth_request_of_a_name_is_refused() {
        let args = WindowArgs { fail: vec!["mount:2=EBUSY".into()], ..WindowArgs::default() };
        let rules = Rules::from_args(&args).unwrap();
        let mount = request("parent", "mount", "s");
        assert_eq!(rules.action_for(&mount), None);
        assert_eq!(rules.action_for(&request("parent", "unshare", "s")), None);
        assert_eq!(rules.action_for(&mount), Some(Action::Refuse(Errno::EBUSY)));
        assert_eq!(rules.action_for(&mount), None);
        assert!(rules.unused().is_empty());
    }

    #[test]
    fn requests_are_counted_by_role() {
        let args = WindowArgs { kill_at: vec!["child:1".into()], ..WindowArgs::default() };
        let rules = Rules::from_args(&args).unwrap();
        assert_eq!(rules.action_for(&request("parent", "mount", "s")), None);
        assert_eq!(rules.unused(), ["--kill-at child:1: there was no such request"]);
        assert_eq!(rules.action_for(&request("child", "mount", "s")), Some(Action::Kill));
    }

    #[test]
    fn steps_are_found_under_the_name_one_types() {
        assert_eq!(slug("Make  private"), "make-private");
        let args = WindowArgs {
            without: vec!["make-private".into(), "nothing".into()],
            breaks: vec!["make-private".into()],
            ..WindowArgs::default()
        };
        let rules = Rules::from_args(&args).unwrap();
        assert!(rules.leaves_out("make private"));
        assert_eq!(
            rules.action_for(&request("x", "mount", "make private")),
            Some(Action::Pause { named: true })
        );
        assert_eq!(rules.unused(), ["--without nothing: there was no step of that name"]);
    }

    #[test]
    fn a_mistyped_flag_says_how_it_goes() {
        for (text, says) in
            [("mount", "ends with the errno"), ("mount=EPREM", "errno(3)"), ("m:0=EPERM", "count")]
        {
            let args = WindowArgs { fail: vec![text.into()], ..WindowArgs::default() };
            let error = Rules::from_args(&args).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
