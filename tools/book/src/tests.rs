//! Does each directive show what the hand-made repository in `tests/fixture` holds?

use std::path::Path;

use crate::lint;
use crate::page;
use crate::sources::Sources;

/// A small repository: two scenes with goldens, a listing, an exercise, two pages.
pub(crate) fn fixture() -> Sources {
    Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture")).unwrap()
}

/// The page `line` expanded.
fn expand(line: &str) -> String {
    let expanded = page::expand("page.md", line, &fixture());
    match expanded.complaints.is_empty() {
        true => expanded.text,
        false => expanded.complaints.join("\n"),
    }
}

#[test]
fn run_shows_command_output_and_trace() {
    insta::assert_snapshot!(expand("{{#run ch02/see-it}}"));
}

#[test]
fn run_can_show_a_part() {
    insta::assert_snapshot!(expand("{{#run ch02/see-it first=1}}"));
    insta::assert_snapshot!(expand("{{#run ch02/see-it trace=no}}"));
}

#[test]
fn trace_keeps_the_letters_of_the_whole() {
    insta::assert_snapshot!(expand("{{#trace ch02/see-it step=\"name the box\"}}"));
}

#[test]
fn without_is_a_caution() {
    insta::assert_snapshot!(expand("{{#without ch02/refused}}"));
}

#[test]
fn attack_is_run_twice() {
    insta::assert_snapshot!(expand("{{#attack before=ch02/see-it after=ch02/refused trace=no}}"));
}

#[test]
fn statediff_is_a_table() {
    insta::assert_snapshot!(expand("{{#statediff ch02/see-it step=\"make a child\"}}"));
}

#[test]
fn timeline_is_a_drawing_that_can_be_heard() {
    insta::assert_snapshot!(expand("{{#timeline ch02/see-it}}"));
}

#[test]
fn listing_is_cited_with_its_lines() {
    insta::assert_snapshot!(expand("{{#listing chapters/02-demo/src/main.rs:name_it}}"));
}

#[test]
fn predict_finds_the_right_option() {
    insta::assert_snapshot!(expand("{{#predict ch02/which-name}}"));
}

#[test]
fn compare_sets_calls_side_by_side() {
    insta::assert_snapshot!(expand("{{#compare ch02/unshare}}"));
}

#[test]
fn exercise_has_hints_inside_one_another() {
    insta::assert_snapshot!(expand("{{#exercise 2.1}}"));
}

#[test]
fn guide_adds_up_the_minutes() {
    insta::assert_snapshot!(expand("{{#guide}}"));
}

#[test]
fn doctor_is_what_was_blessed() {
    insta::assert_snapshot!(expand("{{#doctor}}"));
}

#[test]
fn complaints_name_page_line_and_directive() {
    let lines = [
        "{{#run ch02/sea-it}}",
        "{{#run ch02/see-it stop=1}}",
        "{{#run ch02/new}}",
        "{{#trace ch02/see-it step=\"fly\"}}",
        "{{#without ch02/see-it}}",
        "{{#listing chapters/02-demo/src/main.rs:nope}}",
        "{{#listing chapters/02-demo/src/main.rs:long}}",
        "{{#predict ch02/two-right}}",
        "{{#predict ch02/none-right}}",
        "{{#exercise 2.9}}",
        "{{#card nope}}",
        "{{#banner x}}",
    ];
    insta::assert_snapshot!(expand(&lines.join("\n")));
}

#[test]
fn pages_are_read_as_a_whole() {
    let report = lint::book(&fixture()).unwrap();
    insta::assert_snapshot!(report.complaints.join("\n"));
    insta::assert_snapshot!(report.warnings.join("\n"));
}
