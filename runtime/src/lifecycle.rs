//! From the command line to a container: create, start, run, state, kill, delete.

use std::path::{Path, PathBuf};

use container::{Id, Options, Store, Wanted};
use primitives::{Error, Result, Status};

use crate::bundles::{self, Opened};
use crate::checkpointing::Telling;
use crate::cli::{Global, Making, Rootless, Running};
use crate::{global, log, terminals};

/// `create`.
pub(crate) fn create(global: &Global, making: &Making) -> Result<Status> {
    let opened = bundles::open(&making.bundle)?;
    log::remarks(global, &opened.reading);
    let socket = making.telling.console_socket.as_deref();
    terminals::check_when_left(&opened.reading.plan.process, socket)?;
    container::create(&store(global), &wanted(global, making, &opened)?)?;
    Ok(Status::Exited(0))
}

/// `run`.
pub(crate) fn run(global: &Global, running: &Running) -> Result<Status> {
    let Running { making, detach, keep, .. } = running;
    let opened = bundles::open(&making.bundle)?;
    log::remarks(global, &opened.reading);
    let (process, socket) =
        (&opened.reading.plan.process, making.telling.console_socket.as_deref());
    match *detach {
        true => terminals::check_when_left(process, socket)?,
        false => terminals::check_when_attended(process, socket)?,
    }
    container::run(&store(global), &wanted(global, making, &opened)?, *detach, *keep)
}

/// Others have another working directory than this one when they are told.
fn absolute(path: Option<&Path>) -> Result<Option<PathBuf>> {
    let absolute = |path: &Path| {
        std::path::absolute(path)
            .map_err(|error| Error::Unusable(format!("{}: {error}", path.display())))
    };
    path.map(absolute).transpose()
}

/// For `restore`: what is not asked there is as usual.
pub(crate) fn back<'a>(
    global: &Global,
    id: &str,
    opened: &'a Opened,
    telling: &Telling<'_>,
) -> Result<Wanted<'a>> {
    let options = Options {
        driver: global::driver(global),
        needs_cgroups: global.rootless == Rootless::False,
        console_socket: absolute(telling.console_socket)?,
        pid_file: absolute(telling.pid_file)?,
        ..Options::default()
    };
    let (plan, config) = (&opened.reading.plan, opened.text.as_slice());
    Ok(Wanted { id: Id::new(id)?, plan, config, options })
}

fn wanted<'a>(global: &Global, making: &Making, opened: &'a Opened) -> Result<Wanted<'a>> {
    let telling = &making.telling;
    let options = Options {
        driver: global::driver(global),
        needs_cgroups: global.rootless == Rootless::False,
        no_pivot: making.no_pivot,
        no_new_keyring: making.no_new_keyring,
        preserve_fds: telling.preserve_fds,
        console_socket: absolute(telling.console_socket.as_deref())?,
        pid_file: absolute(telling.pid_file.as_deref())?,
        pidfd_socket: absolute(telling.pidfd_socket.as_deref())?,
    };
    let (plan, config) = (&opened.reading.plan, opened.text.as_slice());
    Ok(Wanted { id: Id::new(&making.id)?, plan, config, options })
}

/// `start`.
pub(crate) fn start(global: &Global, id: &str) -> Result<Status> {
    container::start(&store(global), &Id::new(id)?)?;
    Ok(Status::Exited(0))
}

/// `state`.
pub(crate) fn state(global: &Global, id: &str) -> Result<Status> {
    let container = store(global).find(&Id::new(id)?)?;
    crate::print_json(&container.state())
}

/// `kill`.
pub(crate) fn kill(global: &Global, id: &str, signal: &str, all: bool) -> Result<Status> {
    let (store, id, signal) = (store(global), Id::new(id)?, signal_number(signal)?);
    match all {
        true => container::kill_all(&store, &id, signal)?,
        false => container::kill(&store, &id, signal)?,
    }
    Ok(Status::Exited(0))
}

/// A signal by its number, or by its name with or without SIG; also the real-time ones.
fn signal_number(text: &str) -> Result<i32> {
    if let Ok(number) = text.parse::<i32>()
        && (1..=64).contains(&number)
    {
        return Ok(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name).to_string();
    let real_time = |prefix: &str, base: i32, sign: i32| {
        let rest = name.strip_prefix(prefix)?;
        let offset = if rest.is_empty() { 0 } else { rest.get(1..)?.parse::<i32>().ok()? };
        let number = base + sign * offset;
        (34..=64).contains(&number).then_some(number)
    };
    let known = format!("SIG{name}").parse::<primitives::Signal>().ok().map(|known| known as i32);
    known
        .or_else(|| real_time("RTMIN", 34, 1))
        .or_else(|| real_time("RTMAX", 64, -1))
        .ok_or_else(|| Error::Unusable(format!("unknown signal {text:?}")))
}

/// `delete`.
pub(crate) fn delete(global: &Global, id: &str, force: bool) -> Result<Status> {
    container::delete(&store(global), &Id::new(id)?, force)?;
    Ok(Status::Exited(0))
}

/// Where this user's containers are remembered.
pub(crate) fn store(global: &Global) -> Store {
    Store::at(&global::root(global))
}

#[cfg(test)]
mod tests {
    use super::signal_number;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("sigterm", 15),
            ("RTMIN+1", 35),
            ("SIGRTMAX", 64),
            ("RTMAX-1", 63),
        ] {
            assert_eq!(signal_number(text).unwrap(), number, "{text}");
        }
        for text in ["0", "65", "-1", "SIGFOO", "", "RTMIN+40", "RTMIN1"] {
            assert!(signal_number(text).is_err(), "{text}");
        }
    }
}
