//! The table of `ps`: what ps(1) says of the processes in a container.

use std::collections::BTreeSet;

use primitives::{Error, Result, Status};

/// Prints the lines of `ps OPTIONS` that are about these processes.
pub(crate) fn table(pids: &[i32], options: &[String]) -> Result<Status> {
    let default = ["-ef".to_string()];
    let options = if options.is_empty() { &default[..] } else { options };
    let text = primitives::output_of("ps", options, "have the processes described by ps(1)")?;
    crate::print(&lines(&text, pids)?)
}

fn lines(text: &str, pids: &[i32]) -> Result<String> {
    let pids: BTreeSet<i32> = pids.iter().copied().collect();
    let head = text.lines().next().unwrap_or_default();
    let column = head.split_whitespace().position(|name| name == "PID");
    let column = column
        .ok_or_else(|| Error::Unusable("couldn't find PID field in ps output".to_string()))?;
    let ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column).and_then(|pid| pid.parse().ok());
        pid.is_some_and(|pid: i32| pids.contains(&pid))
    };
    let mut out = format!("{head}\n");
    for line in text.lines().skip(1).filter(ours) {
        out.push_str(line);
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn only_the_lines_of_the_container() {
        let text = "UID   PID  PPID CMD\nroot    1     0 init\nroot   23     1 sh -c 1\n";
        assert_eq!(lines(text, &[23]).unwrap(), "UID   PID  PPID CMD\nroot   23     1 sh -c 1\n");
        assert!(lines("UID CMD\n", &[1]).is_err());
    }
}
