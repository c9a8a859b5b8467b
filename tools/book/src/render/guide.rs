//! `{{#guide}}`: how long does it all take, and how is it divided?

use anyhow::{Context, Result, ensure};

use super::exercise;
use crate::directive::Directive;
use crate::lint::chapter_number;
use crate::page;
use crate::sources::{Sources, files, read};

/// A chapter with the minutes that its author gave it.
struct Chapter {
    file: String,
    title: String,
    reading: u32,
    exercises: usize,
    exercising: u32,
}

/// The sittings that the guide plans for: a name, and the minutes that one has.
const SITTINGS: [(&str, u32); 3] = [
    ("workshop day of six hours", 360),
    ("class of ninety minutes", 90),
    ("evening of forty minutes", 40),
];

/// A table of all chapters, then the number of sittings that they fill.
pub(crate) fn render(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.no_subject()?;
    directive.allow_options(&[])?;
    let chapters = chapters(sources)?;
    ensure!(!chapters.is_empty(), "there are no chapters in book/src");
    let mut out =
        "| chapter | reading and doing | exercises | together |\n|---|--:|--:|--:|\n".to_string();
    for chapter in &chapters {
        out.push_str(&row(chapter));
    }
    let total: u32 = chapters.iter().map(Chapter::minutes).sum();
    let reading: u32 = chapters.iter().map(|chapter| chapter.reading).sum();
    let (exercises, exercising) = (total - reading, hours(total));
    out.push_str(&format!("| **all** | {reading} min | {exercises} min | **{exercising}** |\n\n"));
    out.push_str("| in a | that makes | with these chapters in each |\n|---|--:|---|\n");
    for (name, room) in SITTINGS {
        let sittings = fill(&chapters, room);
        out.push_str(&format!("| {name} | {} | {} |\n", sittings.len(), sittings.join(" · ")));
    }
    Ok(out)
}

impl Chapter {
    fn minutes(&self) -> u32 {
        self.reading + self.exercising
    }

    fn number(&self) -> u32 {
        chapter_number(&self.file).unwrap_or_default()
    }
}

fn row(chapter: &Chapter) -> String {
    let Chapter { file, title, reading, exercises, exercising } = chapter;
    let all = chapter.minutes();
    let exercises = match exercises {
        0 => "–".to_string(),
        n => format!("{n}, {exercising} min"),
    };
    format!("| [{title}]({file}) | {reading} min | {exercises} | {all} min |\n")
}

fn chapters(sources: &Sources) -> Result<Vec<Chapter>> {
    let all = exercise::all(sources)?;
    let mut chapters = Vec::new();
    for path in files(&sources.root.join("book/src"), "md")? {
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(file) = file.filter(|file| chapter_number(file).is_some()) else {
            continue;
        };
        let text = read(&path)?;
        let page = page::split(&text).with_context(|| file.clone())?;
        let title = page.body.lines().find_map(|line| line.strip_prefix("# "));
        let prefix = format!("{}.", chapter_number(&file).unwrap_or_default());
        let mine = all.iter().filter(|exercise| exercise.number.starts_with(&prefix));
        let minutes: Vec<u32> = mine.map(|exercise| exercise.minutes).collect();
        chapters.push(Chapter {
            title: title.unwrap_or(&file).to_string(),
            reading: page.minutes.with_context(|| format!("{file} has no `minutes: N`"))?,
            exercises: minutes.len(),
            exercising: minutes.iter().sum(),
            file,
        });
    }
    Ok(chapters)
}

/// Which chapters each sitting has, in order. A chapter that is too long for one sitting has as many
/// as it needs, alone.
fn fill(chapters: &[Chapter], room: u32) -> Vec<String> {
    let mut sittings: Vec<(u32, u32, u32)> = Vec::new();
    for chapter in chapters {
        let (number, minutes) = (chapter.number(), chapter.minutes());
        match sittings.last_mut() {
            Some((_, last, used)) if *used + minutes <= room => {
                *last = number;
                *used += minutes;
            }
            _ => {
                let parts = minutes.div_ceil(room).max(1);
                sittings.extend((0..parts).map(|_| (number, number, minutes)));
            }
        }
    }
    let name = |(first, last, _): &(u32, u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first}–{last}"),
    };
    sittings.iter().map(name).collect()
}

fn hours(minutes: u32) -> String {
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}
