//! Commands that need no network: what is in the store, and under which name.

mod listing;

use clap::{Subcommand, ValueEnum};
use primitives::{Result, Status};

use super::Global;

/// Commands over the store.
#[derive(Subcommand)]
pub(crate) enum Local {
    /// Show which images there are
    #[command(alias = "images", alias = "list")]
    Ls {
        /// For people, or for programs
        #[arg(long, value_enum, value_name = "FORM", default_value_t = Format::Table)]
        format: Format,
        /// Only their names
        #[arg(short, long)]
        quiet: bool,
    },
    /// Give an image another name
    Tag {
        /// The image: a name, a digest, or the beginning of a digest
        image: String,
        /// The other name
        name: String,
    },
}

/// For whom something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

impl Local {
    /// Does it.
    pub(crate) fn carry_out(&self, global: &Global) -> Result<Status> {
        match self {
            Local::Ls { format, quiet } => listing::ls(global, *format, *quiet),
            Local::Tag { image, name } => {
                let store = global.store()?;
                store.name(name, &store.resolve(image)?)?;
                Ok(Status::Exited(0))
            }
        }
    }
}
