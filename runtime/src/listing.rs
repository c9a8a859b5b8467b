//! Which containers are there?

use container::Container;
use primitives::{Result, Status};

use crate::cli::{Global, TableFormat};
use crate::lifecycle::store;
use crate::users;

/// `list`.
pub(crate) fn list(global: &Global, format: TableFormat, quiet: bool) -> Result<Status> {
    let containers = store(global).all();
    if quiet {
        let names: String =
            containers.iter().map(|container| format!("{}\n", container.remembered.id)).collect();
        return crate::print(&names);
    }
    match format {
        TableFormat::Table => crate::print(&table(&containers)),
        TableFormat::Json => {
            let states: Vec<serde_json::Value> = containers.iter().map(json).collect();
            // As in runc, nothing is "null".
            match states.is_empty() {
                true => crate::print("null\n"),
                false => crate::print_line_of_json(&states),
            }
        }
    }
}

fn json(container: &Container) -> serde_json::Value {
    let mut state = serde_json::to_value(container.state()).unwrap_or_default();
    state["owner"] = users::name(container.remembered.owner).into();
    state
}

/// Columns as wide as their widest entry and three blanks, as Go's tabwriter has them in runc.
fn table(containers: &[Container]) -> String {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_string);
    let mut rows = vec![head];
    for container in containers {
        let state = container.state();
        rows.push([
            state.id.to_string(),
            state.pid.to_string(),
            state.status.word().to_string(),
            state.bundle.display().to_string(),
            state.created.to_string(),
            users::name(container.remembered.owner),
        ]);
    }
    crate::telling::table(&rows)
}
