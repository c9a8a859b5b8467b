//! `exec`: from its flags to a process as it would stand in config.json.
//!
//! So there is one place that says what is wrong with a process, whoever has written it.

use bundle::Plan;
use container::{Container, Exec, Id, Status as State};
use primitives::{Error, Result, Status};
use serde_json::{Value, json};

use crate::bundles;
use crate::cli::{Global, Joining};
use crate::lifecycle::store;
use crate::terminals;

/// `exec`.
pub(crate) fn exec(global: &Global, joining: &Joining) -> Result<Status> {
    let id = Id::new(&joining.id)?;
    let store = store(global);
    let container = store.find(&id)?;
    if container.status() == State::Stopped {
        return Err(Error::Unusable("cannot exec in a stopped container".to_string()));
    }
    let plan = plan(&container, joining)?;
    let telling = &joining.telling;
    match joining.detach {
        true => terminals::check_when_left(&plan.process, telling.console_socket.as_deref())?,
        false => terminals::check_when_attended(&plan.process, telling.console_socket.as_deref())?,
    }
    let wanted = Exec {
        process: &plan.process,
        detach: joining.detach,
        ignore_paused: joining.ignore_paused,
        cgroups: joining.cgroup.clone(),
        no_new_keyring: false,
        preserve_fds: telling.preserve_fds,
        console_socket: telling.console_socket.clone(),
        pid_file: telling.pid_file.clone(),
        pidfd_socket: telling.pidfd_socket.clone(),
    };
    container::exec(&store, &id, &wanted)
}

/// The container's plan, with this process in place of its first one.
fn plan(container: &Container, joining: &Joining) -> Result<Plan> {
    let unusable = |error: serde_json::Error| Error::Unusable(format!("config.json: {error}"));
    let mut config: Value = serde_json::from_slice(&container.config()?).map_err(unusable)?;
    config["process"] = match &joining.process {
        Some(file) => bundles::read_json(file)?,
        None => process(config["process"].take(), joining)?,
    };
    let text = serde_json::to_vec(&config).map_err(unusable)?;
    let reading = bundle::read(&text, &container.remembered.bundle);
    reading.map(|reading| reading.plan).map_err(|complaints| {
        Error::Unusable(format!(
            "this process cannot run: {}",
            crate::plain(&complaints.to_string())
        ))
    })
}

/// The container's own process, changed by the flags.
fn process(mut process: Value, joining: &Joining) -> Result<Value> {
    if joining.command.is_empty() {
        return Err(Error::Unusable("no program was named to run, and no --process".to_string()));
    }
    process["args"] = json!(joining.command);
    process["terminal"] = json!(joining.tty);
    if let Some(cwd) = &joining.cwd {
        process["cwd"] = json!(cwd);
    }
    if let Some(label) = &joining.process_label {
        process["selinuxLabel"] = json!(label);
    }
    if let Some(profile) = &joining.apparmor {
        process["apparmorProfile"] = json!(profile);
    }
    if joining.no_new_privs {
        process["noNewPrivileges"] = json!(true);
    }
    append(&mut process["env"], joining.env.iter().map(|entry| json!(entry)));
    // As in runc: not into the sets that are inherited (CVE-2022-29162).
    for set in ["bounding", "effective", "permitted"] {
        if !joining.cap.is_empty() {
            append(&mut process["capabilities"][set], joining.cap.iter().map(|cap| json!(cap)));
        }
    }
    if let Some(user) = &joining.user {
        let (uid, gid) = ids(user)?;
        process["user"]["uid"] = json!(uid);
        process["user"]["gid"] = json!(gid.unwrap_or(0));
    }
    append(
        &mut process["user"]["additionalGids"],
        joining.additional_gids.iter().map(|gid| json!(gid)),
    );
    Ok(process)
}

fn append(list: &mut Value, more: impl Iterator<Item = Value>) {
    let more: Vec<Value> = more.collect();
    match list {
        Value::Array(there) => there.extend(more),
        _ if more.is_empty() => {}
        list => *list = Value::Array(more),
    }
}

/// `UID` or `UID:GID`, numbers both and nothing else: a parser that took "1" for root was
/// CVE-2026-30892.
fn ids(text: &str) -> Result<(u32, Option<u32>)> {
    let number = |part: &str| {
        let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let number = part.parse::<u32>().ok().filter(|id| plain && *id != u32::MAX);
        number.ok_or_else(|| {
            Error::Unusable(format!("--user {text:?}: {part:?} is no id: write UID or UID:GID"))
        })
    };
    match text.split_once(':') {
        None => Ok((number(text)?, None)),
        Some((uid, gid)) => Ok((number(uid)?, Some(number(gid)?))),
    }
}

#[cfg(test)]
mod tests {
    use super::ids;

    #[test]
    fn a_user_is_one_or_two_numbers() {
        for (text, expected) in [
            ("1", (1, None)),
            ("0", (0, None)),
            ("01", (1, None)),
            ("1:2", (1, Some(2))),
            ("4294967294", (4_294_967_294, None)),
        ] {
            assert_eq!(ids(text).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            ":",
            "1:",
            ":1",
            "-1",
            " 1",
            "1 ",
            "+1",
            "0x1",
            "root",
            "4294967295",
            "4294967296",
            "1:2:3",
        ] {
            assert!(ids(text).is_err(), "{text}");
        }
    }
}
