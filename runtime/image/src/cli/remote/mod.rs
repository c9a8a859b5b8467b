//! Commands that speak with a registry.

mod keys;
mod looking;
mod moving;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use image::model::Platform;
use image::reference::{NotAReference, Reference};
use image::registry::{Says, Settings};
use image::transfer::progress::{Audience, Bars, Json, Lines, Nobody};
use primitives::{Error, Result, Status};

use super::Global;

/// Commands over the network.
#[derive(Subcommand)]
pub(crate) enum Remote {
    /// Bring an image from a registry into the store, and unpack it
    Pull(Pull),
    /// Send an image of the store to a registry
    Push(Push),
    /// Copy an image from a registry, a layout (oci:DIR:NAME) or the store (store:NAME) to another
    Copy(Copy),
    /// Remember who you are to a registry
    Login(Login),
    /// Forget who you are to a registry
    Logout {
        /// The registry
        registry: String,
    },
    /// Show the tags of a repository in a registry
    Tags(Tags),
    /// Show what an image in a registry is made of, without pulling it
    Inspect(Inspect),
    /// Show what refers to an image in a registry, such as its signatures
    Referrers {
        /// The image
        image: String,
        #[command(flatten)]
        towards: Towards,
    },
}

/// What is said about registries, for one command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Towards registries")]
pub(crate) struct Towards {
    /// Speak with the registry HOST without TLS
    #[arg(long, value_name = "HOST")]
    plain_http: Vec<String>,
    /// Take any certificate of the registry HOST: then nobody knows who is there
    #[arg(long, value_name = "HOST")]
    skip_verify: Vec<String>,
    /// Trust the authorities in FILE for the registry HOST
    #[arg(long, value_name = "HOST=FILE")]
    ca: Vec<String>,
    /// How often something is tried
    #[arg(long, value_name = "N", default_value_t = 6)]
    tries: u32,
}

/// What is shown while something is moved.
#[derive(Args, Clone, Debug)]
pub(crate) struct Showing {
    /// Show only the result
    #[arg(short, long)]
    quiet: bool,
    /// How progress is shown, on standard error
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Plain)]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people: on a terminal a line for each layer that moves, else one when it has come
    Plain,
    /// JSON Lines
    Json,
}

#[derive(Args)]
pub(crate) struct Pull {
    /// The image: redis, example.org/team/app:1.2, …@sha256:…
    image: String,
    /// For which platform [default: this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", conflicts_with = "all_platforms")]
    platform: Option<Platform>,
    /// For all platforms; nothing is unpacked then
    #[arg(long)]
    all_platforms: bool,
    /// Keep the layers as they come, and unpack them when they are needed
    #[arg(long)]
    no_unpack: bool,
    /// How many large layers are worked on at once [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    #[command(flatten)]
    showing: Showing,
    #[command(flatten)]
    towards: Towards,
}

#[derive(Args)]
pub(crate) struct Push {
    /// The image in the store: a name, a digest, or the beginning of a digest
    image: String,
    /// What it is to be called in the registry [default: its name]
    to: Option<String>,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Args)]
pub(crate) struct Copy {
    /// Where it is: an image's name, oci:DIR[:NAME] or store:NAME
    from: String,
    /// Where it is to be
    to: String,
    #[command(flatten)]
    sending: Sending,
}

#[derive(Args)]
struct Sending {
    /// For which platform alone
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", conflicts_with = "all_platforms")]
    platform: Option<Platform>,
    /// For all platforms, and nothing may be missing
    #[arg(long)]
    all_platforms: bool,
    /// Send blobs in pieces of so many bytes, and not each in one
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    chunk: Option<u64>,
    /// How many blobs are moved at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    jobs: usize,
    #[command(flatten)]
    showing: Showing,
    #[command(flatten)]
    towards: Towards,
}

#[derive(Args)]
pub(crate) struct Login {
    /// The registry
    #[arg(default_value = "docker.io")]
    registry: String,
    /// Your name there
    #[arg(short, long)]
    username: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    towards: Towards,
}

#[derive(Args)]
pub(crate) struct Tags {
    /// The repository
    repository: String,
    /// Only those with TEXT in them
    #[arg(long, value_name = "TEXT")]
    containing: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
    /// How many the registry gives at once
    #[arg(long, value_name = "N")]
    page: Option<u32>,
    #[command(flatten)]
    towards: Towards,
}

#[derive(Args)]
pub(crate) struct Inspect {
    /// The image
    image: String,
    /// For which platform [default: this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// Print the document as it comes
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    towards: Towards,
}

impl Remote {
    /// Does it.
    pub(crate) fn carry_out(&self, global: &Global) -> Result<Status> {
        match self {
            Remote::Pull(wanted) => moving::pull(global, wanted),
            Remote::Push(wanted) => moving::push(global, wanted),
            Remote::Copy(wanted) => moving::copy(global, wanted),
            Remote::Login(login) => keys::login(login),
            Remote::Logout { registry } => keys::logout(registry),
            Remote::Tags(wanted) => looking::tags(wanted),
            Remote::Inspect(wanted) => looking::inspect(wanted),
            Remote::Referrers { image, towards } => looking::referrers(image, towards),
        }
    }
}

impl Towards {
    /// What is known of registries, with what was said on the command line.
    fn settings(&self, audience: &Arc<dyn Audience>) -> Result<Settings> {
        let mut settings = Settings::read()?;
        for name in &self.plain_http {
            settings.hosts.entry(name).plain_http = Some(true);
        }
        for name in &self.skip_verify {
            settings.hosts.entry(name).skip_verify = true;
        }
        for both in &self.ca {
            let (name, file) = both
                .split_once('=')
                .ok_or_else(|| Error::Unusable(format!("--ca {both}: it looks like HOST=FILE")))?;
            settings.hosts.entry(name).ca = Some(PathBuf::from(file));
        }
        settings.patience.tries = self.tries.max(1);
        let audience = audience.clone();
        settings.says = Says(Arc::new(move |text| audience.waits(text)));
        Ok(settings)
    }
}

impl Showing {
    fn audience(&self) -> Arc<dyn Audience> {
        match self.format {
            _ if self.quiet => Arc::new(Nobody),
            Form::Json => Arc::new(Json),
            Form::Plain if std::io::stderr().is_terminal() => Arc::new(Bars::default()),
            Form::Plain => Arc::new(Lines),
        }
    }
}

/// Who only asks waits without many words.
fn nobody() -> Arc<dyn Audience> {
    Arc::new(Lines)
}

/// The image that a text names; other tools write `docker://` in front.
fn reference(text: &str) -> Result<Reference> {
    let name = text.strip_prefix("docker://").unwrap_or(text);
    name.parse().map_err(|error: NotAReference| Error::Unusable(error.to_string()))
}
