//! Commands that need no network: what is in the store, and under which name.

mod archives;
mod listing;
mod names;
mod upkeep;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use image::model::Platform;
use image::reference::Reference;
use primitives::{Result, Status};

use super::Global;

/// Commands over the store.
#[derive(Subcommand)]
pub(crate) enum Local {
    /// Show which images there are
    #[command(visible_alias = "images", alias = "list")]
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
        name: Reference,
    },
    /// Take names away, and what nothing leads to any more
    #[command(visible_alias = "rmi")]
    Rm {
        /// The names; a digest stands for all names of its image
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
        /// Keep the blobs and unpacked layers until garbage is collected
        #[arg(long)]
        no_gc: bool,
    },
    /// Show how an image came about
    History {
        /// The image
        image: String,
        /// Of those for several platforms, the one for this [default: this machine's]
        #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
        platform: Option<Platform>,
        /// For people, or for programs
        #[arg(long, value_enum, value_name = "FORM", default_value_t = Format::Table)]
        format: Format,
        /// Do not cut off what does not fit in a line
        #[arg(long)]
        no_trunc: bool,
    },
    /// Write images into an archive or a directory
    Save(Saving),
    /// Read images from an archive or a directory
    Load(Loading),
    /// Take away all that nothing leads to
    #[command(visible_alias = "prune")]
    Gc {
        /// Only show what would go
        #[arg(short = 'n', long)]
        dry_run: bool,
        /// Also unpacked layers of images that stay: they are unpacked again when they are needed
        #[arg(long, conflicts_with = "dry_run")]
        layers: bool,
    },
    /// Compute every digest again, and say what is wrong
    Fsck {
        /// Move what is wrong out of the way, so that a pull brings the right thing
        #[arg(long)]
        repair: bool,
        /// For people, or for programs
        #[arg(long, value_enum, value_name = "FORM", default_value_t = Format::Table)]
        format: Format,
    },
    /// Show how much room images take
    Df {
        /// For people, or for programs
        #[arg(long, value_enum, value_name = "FORM", default_value_t = Format::Table)]
        format: Format,
    },
}

/// What is written, and where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Saving {
    /// The images
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// The file, or with `--format folder` the directory [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What it looks like
    #[arg(long, value_enum, value_name = "FORM", default_value_t = ArchiveForm::Oci)]
    format: ArchiveForm,
    /// Of those for several platforms, only the one for this
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
}

/// What is read, and how it is called then.
#[derive(Args, Clone, Debug)]
pub(crate) struct Loading {
    /// The archive, plain or packed with gzip or zstd, or the directory with a layout ("-": standard
    /// input)
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// The same, as Docker has it
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    input: Option<PathBuf>,
    /// Only the image that is called NAME there
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Call the image NAME, whatever the archive calls it
    #[arg(long, value_name = "NAME")]
    name: Option<Reference>,
    /// Take names away from the images that have them
    #[arg(short, long)]
    force: bool,
    /// Print digests and nothing else
    #[arg(short, long)]
    quiet: bool,
}

/// What an archive looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArchiveForm {
    /// An OCI image layout with Docker's manifest.json beside it: all tools of today read it
    Oci,
    /// What `docker save` wrote before there were layouts
    Docker,
    /// An OCI image layout in a new directory
    Folder,
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
            Local::Tag { image, name } => names::tag(global, image, name),
            Local::Rm { images, no_gc } => names::rm(global, images, *no_gc),
            Local::History { image, platform, format, no_trunc } => {
                listing::history(global, image, platform.as_ref(), *format, *no_trunc)
            }
            Local::Save(saving) => archives::save(global, saving),
            Local::Load(loading) => archives::load(global, loading),
            Local::Gc { dry_run, layers } => upkeep::gc(global, *dry_run, *layers),
            Local::Fsck { repair, format } => upkeep::fsck(global, *repair, *format),
            Local::Df { format } => upkeep::df(global, *format),
        }
    }
}
