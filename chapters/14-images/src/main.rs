//! Chapter 14: how can you trust files that a stranger sent you?
//!
//! By names that can be computed. An image is a handful of files, each called by the hash of what is in
//! it, and each says by such names which others it needs. Whoever has the first name needs to trust
//! nobody for the rest.

mod attack;
mod bits;
mod blob;
mod compression;
mod demonstration;
mod entry;
mod gc;
mod layout;
mod listing;
mod model;
mod pack;
mod sample;
mod unpack;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use compression::Compression;
use primitives::{Form, Result, Status, WindowArgs};

/// Chapter 14: images.
///
/// Without a subcommand it packs a small tree as an image, looks at what that is made of, and unpacks
/// it again. None of it needs root, or a network.
#[derive(Parser)]
#[command(name = "chapter14", version)]
struct Cli {
    #[command(subcommand)]
    topic: Option<Topic>,
    #[command(flatten)]
    window: WindowArgs,
}

#[derive(Subcommand)]
enum Topic {
    /// Make, read, check and unpack images that lie in a directory (an OCI image layout)
    #[command(subcommand)]
    Image(Image),
}

#[derive(Subcommand)]
enum Image {
    /// List the images of a layout; without one, of a layout made for it
    Ls {
        /// The layout
        layout: Option<PathBuf>,
    },
    /// Follow the digests of an image down to its layers, and check each
    Inspect {
        /// The layout; without it, one made for it
        layout: Option<PathBuf>,
        /// Which image, where there are several
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// For which machine, where an image is for several: OS/ARCHITECTURE
        #[arg(long, value_name = "PLATFORM", default_value_t = sample::platform())]
        platform: String,
    },
    /// Lay the layers of an image over each other in a new directory
    Unpack(Unpack),
    /// Pack a directory as an image of one layer: the same tree is the same bytes
    Pack(Pack),
    /// Delete what no image needs
    Gc {
        /// The layout; without it, one made for it
        layout: Option<PathBuf>,
    },
    /// Flip one bit of an image, and unpack it
    Flip {
        /// Of what
        #[arg(value_enum, default_value_t = bits::Of::Layer)]
        of: bits::Of,
        /// Believe every blob
        #[arg(long)]
        trust_blobs: bool,
    },
    /// Unpack a hostile image, next to a file that it is after
    Attack {
        /// How it attacks
        #[arg(value_enum, default_value_t = attack::Way::Traversal)]
        way: attack::Way,
        /// Do not defend
        #[arg(long)]
        defenceless: bool,
    },
}

#[derive(Args)]
struct Unpack {
    /// The layout; without it, one made for it
    #[arg(requires = "target")]
    layout: Option<PathBuf>,
    /// The new directory
    #[arg(value_name = "DIR")]
    target: Option<PathBuf>,
    /// Which image, where there are several
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// For which machine, where an image is for several: OS/ARCHITECTURE
    #[arg(long, value_name = "PLATFORM", default_value_t = sample::platform())]
    platform: String,
}

#[derive(Args)]
struct Pack {
    /// The directory; without it, one made for it
    #[arg(requires = "layout")]
    tree: Option<PathBuf>,
    /// The layout, which is made if it is not there
    #[arg(value_name = "LAYOUT")]
    layout: Option<PathBuf>,
    /// What the image is called
    #[arg(long, value_name = "NAME", default_value = "latest")]
    name: String,
    /// How the layer is compressed
    #[arg(long, value_enum, default_value_t = Compression::Gzip)]
    compression: Compression,
}

fn main() -> ExitCode {
    primitives::run(Form::Pretty, |cli: &Cli| &cli.window, |cli| show(cli.topic.as_ref()))
}

fn show(topic: Option<&Topic>) -> Result<Status> {
    let Some(Topic::Image(image)) = topic else {
        return demonstration::there_and_back();
    };
    match image {
        Image::Ls { layout } => listing::ls(layout.as_deref()),
        Image::Inspect { layout, name, platform } => {
            listing::inspect(layout.as_deref(), name.as_deref(), platform)
        }
        Image::Unpack(wanted) => unpack::run(wanted),
        Image::Pack(wanted) => pack::run(wanted),
        Image::Gc { layout } => gc::run(layout.as_deref()),
        Image::Flip { of, trust_blobs } => bits::flip(*of, *trust_blobs),
        Image::Attack { way, defenceless } => attack::attack(*way, *defenceless),
    }
}
