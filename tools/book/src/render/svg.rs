//! How is a timeline drawn, so that it can be read in any theme, without colour, and by ear?
//!
//! Time runs downwards. Everything is drawn in the colour of the text around it; what a mark means
//! is said by its form and by the words beside it, and the whole is told again in `<desc>`.

use std::fmt::Write;

use super::html::escape;
use super::timeline::{Arrow, Figure, Mark, Row};

/// Width of the drawing; a page of mdBook is about as wide.
const WIDTH: usize = 720;
/// From the left edge of a lane to its line.
const LINE: usize = 12;
/// From the line to the words beside it.
const WORDS: usize = 14;
/// Width of a letter in the words beside a mark.
const LETTER: usize = 8;
const HEAD: usize = 28;
const STEP: usize = 20;
const ROW: usize = 22;
const ARROW: usize = 16;

/// The figure as a block of HTML without blank lines, which would end it in Markdown.
pub(super) fn draw(figure: &Figure) -> String {
    let mut pen = Pen::new(figure);
    figure.lanes.iter().enumerate().for_each(|(lane, it)| pen.head(lane, &it.name));
    figure.rows.iter().for_each(|row| pen.row(row));
    let (body, height) = pen.finish();
    let id = &figure.id;
    format!(
        "<figure class=\"timeline\">\n\
         <svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n\
         <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>\n{body}</svg>\n\
         <figcaption>{}</figcaption>\n</figure>\n",
        escape(&figure.title),
        escape(&told(figure)),
        legend(figure),
    )
}

/// Draws downwards, and remembers where each lane begins and ends.
struct Pen {
    out: String,
    y: usize,
    lane_width: usize,
    /// Top and bottom of each lane that was begun.
    spans: Vec<Option<(usize, usize)>>,
}

impl Pen {
    fn new(figure: &Figure) -> Pen {
        let lanes = figure.lanes.len().max(1);
        Pen { out: String::new(), y: HEAD, lane_width: WIDTH / lanes, spans: vec![None; lanes] }
    }

    fn x(&self, lane: usize) -> usize {
        lane * self.lane_width + LINE
    }

    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.out, "{element}").expect("writing to a String cannot fail");
    }

    fn text(&mut self, class: &str, x: usize, y: usize, text: &str) {
        let room = self.lane_width.saturating_sub(LINE + WORDS) / LETTER;
        let text = escape(&shortened(text, room));
        self.put(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" fill=\"currentColor\">{text}</text>"
        ));
    }

    fn head(&mut self, lane: usize, name: &str) {
        self.text("tl-head", lane * self.lane_width + 2, 14, name);
    }

    fn row(&mut self, row: &Row) {
        let x = self.x(row.lane);
        if let Some(step) = &row.step {
            self.y += STEP;
            self.text("tl-step", x + WORDS, self.y, step);
            self.reach(row.lane, self.y - 12);
        }
        if let Some(Arrow::Ends(from)) = row.arrow {
            self.y += ARROW;
            self.reach(from, self.y);
            self.reach(row.lane, self.y);
            self.arrow(from, row.lane, "tl-end", " stroke-dasharray=\"2 3\"");
        }
        self.y += ROW;
        self.reach(row.lane, self.y - 8);
        self.mark(&row.mark, x, self.y - 4);
        self.text("tl-call", x + WORDS, self.y, &words(row));
        if let Some(Arrow::Starts(to)) = row.arrow {
            self.y += ARROW;
            self.reach(row.lane, self.y);
            self.reach(to, self.y);
            self.arrow(row.lane, to, "tl-start", "");
        }
        self.reach(row.lane, self.y);
    }

    /// The lane's line goes at least to `y`.
    fn reach(&mut self, lane: usize, y: usize) {
        let (top, bottom) = self.spans[lane].unwrap_or((y, y));
        self.spans[lane] = Some((top.min(y), bottom.max(y)));
    }

    fn arrow(&mut self, from: usize, to: usize, class: &str, dash: &str) {
        let (start, end, y) = (self.x(from), self.x(to), self.y);
        let (gap, back) = if end > start { (end - 4, end - 11) } else { (end + 4, end + 11) };
        self.put(format_args!(
            "<path class=\"{class}\" d=\"M{start} {y}H{gap}\" stroke=\"currentColor\" fill=\"none\"{dash}/>\
             <path d=\"M{gap} {y}L{back} {}V{}Z\" fill=\"currentColor\"/>",
            y - 4,
            y + 4
        ));
    }

    fn mark(&mut self, mark: &Mark, x: usize, y: usize) {
        let (left, right, top, bottom) = (x - 5, x + 5, y - 5, y + 5);
        match mark {
            Mark::Done => self.put(format_args!(
                "<circle class=\"tl-done\" cx=\"{x}\" cy=\"{y}\" r=\"4\" fill=\"currentColor\"/>"
            )),
            Mark::Exec => self.put(format_args!(
                "<path class=\"tl-exec\" d=\"M{x} {top}L{right} {y}L{x} {bottom}L{left} {y}Z\" fill=\"currentColor\"/>"
            )),
            Mark::Refused(_) => self.put(format_args!(
                "<path class=\"tl-refused\" d=\"M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}\" \
                 stroke=\"currentColor\" stroke-width=\"2.5\"/>"
            )),
            Mark::Missing => self.put(format_args!(
                "<circle class=\"tl-missing\" cx=\"{x}\" cy=\"{y}\" r=\"4\" fill=\"none\" \
                 stroke=\"currentColor\" stroke-dasharray=\"2 2\"/>"
            )),
        }
    }

    /// The lanes' lines come first, so that the marks lie on them.
    fn finish(self) -> (String, usize) {
        let mut lines = String::new();
        for (lane, span) in self.spans.iter().enumerate() {
            if let Some((top, bottom)) = span {
                let x = self.x(lane);
                lines.push_str(&format!(
                    "<line class=\"tl-lane\" x1=\"{x}\" y1=\"{top}\" x2=\"{x}\" y2=\"{bottom}\" \
                     stroke=\"currentColor\" stroke-opacity=\"0.4\" stroke-width=\"2\"/>\n"
                ));
            }
        }
        (lines + &self.out, self.y + 10)
    }
}

/// What stands beside a mark.
fn words(row: &Row) -> String {
    let times = match row.times {
        1 => String::new(),
        n => format!(" ×{n}"),
    };
    match &row.mark {
        Mark::Refused(errno) => format!("{}{times} = {errno}", row.call),
        _ => format!("{}{times}", row.call),
    }
}

fn shortened(text: &str, room: usize) -> String {
    match text.chars().count() > room {
        true => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_string(),
    }
}

/// The figure in words, for those who hear the page.
fn told(figure: &Figure) -> String {
    let name = |lane: usize| figure.lanes[lane].name.as_str();
    let sentence = |row: &Row| {
        let mut text = format!("{}: {}", name(row.lane), words(row));
        match row.arrow {
            Some(Arrow::Starts(lane)) => text.push_str(&format!(", which starts {}", name(lane))),
            Some(Arrow::Ends(lane)) => text.push_str(&format!(", after the end of {}", name(lane))),
            None => {}
        }
        text
    };
    let sentences: Vec<String> = figure.rows.iter().map(sentence).collect();
    sentences.join("; ") + "."
}

/// What the forms mean, of those that occur.
fn legend(figure: &Figure) -> String {
    let has = |wanted: fn(&Mark) -> bool| figure.rows.iter().any(|row| wanted(&row.mark));
    let mut words = vec!["Time runs downwards; ● a request"];
    if has(|mark| *mark == Mark::Exec) {
        words.push("◆ another program from here on");
    }
    if has(|mark| matches!(mark, Mark::Refused(_))) {
        words.push("✕ refused");
    }
    if has(|mark| *mark == Mark::Missing) {
        words.push("◌ left out or empty");
    }
    let arrows = || figure.rows.iter().filter_map(|row| row.arrow);
    if arrows().any(|arrow| matches!(arrow, Arrow::Starts(_))) {
        words.push("a whole arrow starts a process");
    }
    if arrows().any(|arrow| matches!(arrow, Arrow::Ends(_))) {
        words.push("a dotted one tells of its end");
    }
    words.join(", ") + "."
}
