//! Which system calls may be made.

use bundle::{Action, Condition, Operator, Plan};

use super::{Lines, line};

pub(super) fn seccomp(plan: &Plan) -> Lines {
    let Some(seccomp) = &plan.seccomp else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if !seccomp.architectures.is_empty() {
        lines.push(line("calls of", seccomp.architectures.join(" ")));
    }
    if !seccomp.flags.is_empty() {
        lines.push(line("flags", seccomp.flags.join(" ")));
    }
    if let Some(listener) = &seccomp.listener {
        lines.push(line("asks", listener.path.display()));
    }
    for rule in &seccomp.rules {
        let conditions: Vec<String> = rule.conditions.iter().map(condition).collect();
        let conditions = match conditions.is_empty() {
            true => String::new(),
            false => format!(" if {}", conditions.join(" and ")),
        };
        lines.push(line(&action(rule.action), format!("{}{conditions}", rule.names.join(" "))));
    }
    lines.push(line(&action(seccomp.default_action), "(all others)"));
    lines
}

fn action(action: Action) -> String {
    match action {
        Action::Errno(errno) => format!("errno {errno}"),
        Action::Trace(number) => format!("trace {number}"),
        Action::KillThread => "kill thread".to_string(),
        Action::KillProcess => "kill".to_string(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn condition(condition: &Condition) -> String {
    let Condition { argument, operator, value, second } = condition;
    let sign = match operator {
        Operator::MaskedEqual => return format!("arg{argument} & {value:#x} == {second:#x}"),
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Equal => "==",
        Operator::GreaterOrEqual => ">=",
        Operator::Greater => ">",
    };
    format!("arg{argument} {sign} {value:#x}")
}
