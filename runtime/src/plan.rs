//! What would be done?

use std::io::Write;

use bundle::Reading;
use primitives::{Error, Result, Status};

use crate::telling;

/// In the order in which it would be done, a line for each thing.
pub(crate) fn print_text(reading: &Reading) -> Result<Status> {
    crate::print(&telling::text(&reading.plan))?;
    remarks(reading)
}

/// The whole plan as JSON, nothing left out.
pub(crate) fn print_json(reading: &Reading) -> Result<Status> {
    let json = serde_json::to_string_pretty(&reading.plan)
        .map_err(|error| Error::Unusable(format!("the plan: {error}")))?;
    crate::print(&format!("{json}\n"))?;
    remarks(reading)
}

/// Beside the plan, so that a program that reads it does not stumble over them.
fn remarks(reading: &Reading) -> Result<Status> {
    for remark in &reading.remarks {
        // What cannot be told has not changed the plan.
        let _ = writeln!(std::io::stderr(), "remark: {}", crate::plain(&remark.to_string()));
    }
    Ok(Status::Exited(0))
}
