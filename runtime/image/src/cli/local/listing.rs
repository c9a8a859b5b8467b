//! Which images are there, and how did they come about?

use image::model::{CREATED, Document, History, ImageConfig, Platform};
use image::store::{Named, Reach, Store};
use primitives::{Result, Status};
use serde::Serialize;

use super::Format;
use crate::cli::Global;
use crate::cli::printing::{plain, print, print_json, size, table};

/// An image, in a line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    name: String,
    digest: String,
    media_type: String,
    platforms: Vec<String>,
    created: Option<String>,
    size: u64,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// `ls`.
pub(super) fn ls(global: &Global, format: Format, quiet: bool) -> Result<Status> {
    let store = global.store()?;
    let names = store.names()?;
    if quiet {
        let lines: String = names.iter().map(|named| format!("{}\n", plain(&named.name))).collect();
        return print(&lines);
    }
    let lines: Vec<Line> = names.iter().map(|named| line(&store, named)).collect();
    match format {
        Format::Json => print_json(&lines),
        Format::Table => {
            let head = ["NAME", "DIGEST", "PLATFORM", "CREATED", "SIZE"].map(str::to_string);
            let rows = [head].into_iter().chain(names.iter().zip(&lines).map(row));
            print(&table(&rows.collect::<Vec<_>>()))
        }
    }
}

fn row((named, line): (&Named, &Line)) -> [String; 5] {
    let day = line.created.as_deref().unwrap_or("").chars().take(10).collect::<String>();
    let platforms = match &line.problem {
        None => line.platforms.join(" "),
        Some(_) => "(not complete: image fsck)".to_string(),
    };
    let digest = named.image.digest.short().to_string();
    [plain(&line.name), digest, plain(&platforms), plain(&day), size(line.size)]
}

fn line(store: &Store, named: &Named) -> Line {
    let mut reach = Reach::default();
    let problem = match store.reach(&named.image, &mut reach) {
        Err(why) => Some(why.to_string()),
        Ok(()) => reach.missing.first().map(|missing| format!("{missing} is not here")),
    };
    let configs = reach.images.iter().filter_map(|(_, manifest)| store.config(manifest).ok());
    let configs: Vec<ImageConfig> = configs.collect();
    let annotated = store.document(&named.image).ok().and_then(|document| match document {
        Document::Index(index) => index.annotations.get(CREATED).cloned(),
        Document::Manifest(manifest) => manifest.annotations.get(CREATED).cloned(),
    });
    let created = configs.iter().filter_map(|config| config.created.clone()).max();
    Line {
        name: named.name.clone(),
        digest: named.image.digest.to_string(),
        media_type: named.image.media_type.to_string(),
        platforms: configs.iter().map(|config| config.platform().to_string()).collect(),
        created: created.or(annotated),
        size: reach.blobs.iter().map(|blob| store.size_of(blob)).sum(),
        problem,
    }
}

/// A step of how an image came about.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    created: String,
    created_by: String,
    /// How many bytes the layer has, packed; 0 where there is none.
    size: u64,
    comment: String,
}

/// `history`: the newest first.
pub(super) fn history(
    global: &Global,
    image: &str,
    platform: Option<&Platform>,
    format: Format,
    no_trunc: bool,
) -> Result<Status> {
    let store = global.store()?;
    let here = Platform::here();
    let image = store.image(&store.resolve(image)?, platform.unwrap_or(&here))?;
    let mut layers = image.manifest.layers.iter().map(|layer| layer.size);
    let step = |entry: &History| Step {
        created: entry.created.clone().unwrap_or_default(),
        created_by: entry.created_by.clone().unwrap_or_default(),
        size: if entry.empty_layer { 0 } else { layers.next().unwrap_or(0) },
        comment: entry.comment.clone().unwrap_or_default(),
    };
    let mut steps: Vec<Step> = image.config.history.iter().map(step).collect();
    steps.reverse();
    match format {
        Format::Json => print_json(&steps),
        Format::Table => {
            let head = ["CREATED", "CREATED BY", "SIZE", "COMMENT"].map(str::to_string);
            let rows = [head].into_iter().chain(steps.iter().map(|step| told(step, no_trunc)));
            print(&table(&rows.collect::<Vec<_>>()))
        }
    }
}

fn told(step: &Step, no_trunc: bool) -> [String; 4] {
    const WIDTH: usize = 45;
    let by = plain(&step.created_by);
    let by = match no_trunc || by.chars().count() <= WIDTH {
        true => by,
        false => by.chars().take(WIDTH - 1).chain(['…']).collect(),
    };
    let created = step.created.chars().take(19).collect::<String>().replace('T', " ");
    [plain(&created), by, size(step.size), plain(&step.comment)]
}
