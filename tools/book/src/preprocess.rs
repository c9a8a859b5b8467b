//! How does mdBook hand us the pages, and how does it get them back?

use std::process::ExitCode;

use anyhow::{Result, bail};
use mdbook_preprocessor::book::{BookItem, Chapter};

use crate::page;
use crate::sources::Sources;

/// Reads the book from stdin, expands the directives of every page, writes it to stdout.
pub(crate) fn run() -> Result<()> {
    let (context, mut book) = mdbook_preprocessor::parse_input(std::io::stdin())?;
    let root = context.root.parent().unwrap_or(&context.root);
    let sources = Sources::read(root)?;
    let mut complaints = Vec::new();
    book.for_each_mut(|item| {
        if let BookItem::Chapter(chapter) = item {
            complaints.extend(expand(chapter, &sources));
        }
    });
    if !complaints.is_empty() {
        bail!("the book cannot be built:\n{}", complaints.join("\n"));
    }
    serde_json::to_writer(std::io::stdout(), &book)?;
    Ok(())
}

fn expand(chapter: &mut Chapter, sources: &Sources) -> Vec<String> {
    let name = match &chapter.source_path {
        Some(path) => path.display().to_string(),
        None => chapter.name.clone(),
    };
    let expanded = page::expand(&name, &chapter.content, sources);
    chapter.content = expanded.text;
    expanded.complaints
}

/// The pages carry HTML, so every renderer that shows HTML will do, and a test run needs only the
/// listings; what turns pages into paper by other means is on its own.
pub(crate) fn supports(renderer: &str) -> ExitCode {
    match renderer {
        "html" | "test" | "markdown" => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
