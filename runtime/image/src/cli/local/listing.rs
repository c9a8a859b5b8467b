//! Which images are there?

use primitives::{Result, Status};

use super::Format;
use crate::cli::Global;
use crate::cli::printing::{plain, print, print_json, table};

/// `ls`.
pub(super) fn ls(global: &Global, format: Format, quiet: bool) -> Result<Status> {
    let names = global.store()?.names()?;
    if quiet {
        let lines: String = names.iter().map(|named| format!("{}\n", plain(&named.name))).collect();
        return print(&lines);
    }
    match format {
        Format::Json => print_json(&names.iter().map(|named| &named.image).collect::<Vec<_>>()),
        Format::Table => {
            let head = ["NAME", "DIGEST"].map(str::to_string);
            let row = |named: &image::store::Named| {
                [plain(&named.name), named.image.digest.short().to_string()]
            };
            let rows: Vec<_> = [head].into_iter().chain(names.iter().map(row)).collect();
            print(&table(&rows))
        }
    }
}
