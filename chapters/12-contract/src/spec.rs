//! Which config.json does a bundle begin with?
//!
//! One that an ordinary user can use: in a user namespace of its own, where this user is root.

use std::path::Path;

use primitives::{Result, create, own_ids, step_giving};
use serde_json::json;

use crate::unusable;

const DEFAULT: &str = include_str!("config.json");

/// Writes it into a bundle, but never over one that is there.
pub(crate) fn write(bundle: &Path, command: &[String], hooks: bool) -> Result<()> {
    let file = bundle.join("config.json");
    if file.symlink_metadata().is_ok() {
        return Err(unusable(format!("{} is there already: remove it first", file.display())));
    }
    let text = text(command, hooks);
    step_giving("write the configuration", || {
        create(&file, text.as_bytes(), 0o644, "have something to edit")
    })
}

/// The configuration for this user, with this program if one is given. It is put together as text,
/// because it is there to be read.
pub(crate) fn text(command: &[String], hooks: bool) -> String {
    let (uid, gid) = own_ids();
    let text = DEFAULT.replace("UID", &uid.to_string()).replace("GID", &gid.to_string());
    let text = match command {
        [] => text,
        command => text.replace(r#"["sleep", "1000"]"#, &json!(command).to_string()),
    };
    match hooks {
        true => text
            .replace("\n  \"linux\":", &format!("\n  \"hooks\": {},\n  \"linux\":", all_hooks())),
        false => text,
    }
}

const MOMENTS: [&str; 5] =
    ["createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

fn all_hooks() -> String {
    let each = MOMENTS.map(|moment| format!("\n    \"{moment}\": [{}]", says(moment)));
    format!("{{{}\n  }}", each.join(","))
}

// ANCHOR: hook
/// Says when it was called, what it was told on standard input, and whose files it sees.
const SAYS: &str = r#"read -r state
status=${state#*\"status\":\"}
files="the container's"
[ -d /usr ] && files="the host's"
echo "$0: the container is ${status%%\"*}, and I see $files files""#;

fn says(moment: &str) -> String {
    let args = ["sh", "-c", SAYS, moment];
    json!({ "path": "/bin/sh", "args": args, "env": ["PATH=/bin"] }).to_string()
}
// ANCHOR_END: hook

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::text;
    use crate::opening::left_out;

    #[test]
    fn what_is_written_can_be_read_and_made() {
        let command = ["echo", "a \"b\"\n\\"].map(String::from);
        for (command, hooks) in [(&command[..0], false), (&command[..], true)] {
            let text = text(command, hooks);
            let reading = bundle::read(text.as_bytes(), Path::new("/srv/box"));
            let reading = reading.unwrap_or_else(|complaints| panic!("{complaints}\n{text}"));
            assert!(reading.remarks.is_empty(), "{:?}", reading.remarks);
            assert!(left_out(&reading.plan).is_empty(), "{:?}", left_out(&reading.plan));
            assert_eq!(reading.plan.hooks.start_container.len(), usize::from(hooks));
            if !command.is_empty() {
                assert_eq!(reading.plan.process.args, command);
            }
        }
    }
}
