//! How does text get into HTML and Markdown unharmed?

/// `text` as it may stand in HTML, also in an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// `text` as code in a cell of a Markdown table.
pub(crate) fn cell(text: &str) -> String {
    match text.is_empty() {
        true => String::new(),
        // HTML, because a backtick or a bar in the text would end a Markdown code span or the cell.
        false => format!("<code>{}</code>", escape(text).replace('|', "&#124;")),
    }
}

/// A fence around `text` that is longer than any fence in it.
pub(crate) fn fence(label: &str, text: &str) -> String {
    let mut marks = "```".to_string();
    while text.contains(&marks) {
        marks.push('`');
    }
    format!("{marks}{label}\n{}\n{marks}", text.trim_end_matches('\n'))
}

/// Lines of Markdown, each behind `> `.
pub(crate) fn quote(text: &str) -> String {
    let lines = text.lines().map(|line| format!("> {line}").trim_end().to_string());
    lines.collect::<Vec<_>>().join("\n")
}

/// `3 requests`, `1 request`.
pub(crate) fn count(n: usize, thing: &str) -> String {
    match n {
        1 => format!("1 {thing}"),
        n => format!("{n} {thing}s"),
    }
}

/// `name` as an id that no title of the page can have.
pub(crate) fn id(kind: &str, name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("{kind}--{}", name.chars().map(safe).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{cell, fence, quote};

    #[test]
    fn text_cannot_break_out() {
        assert_eq!(cell("a|<b>"), "<code>a&#124;&lt;b&gt;</code>");
        assert_eq!(fence("text", "```\n"), "````text\n```\n````");
        assert_eq!(quote("a\n\nb"), "> a\n>\n> b");
    }
}
