//! The table for the book: which runtime does what, where?

use std::collections::BTreeMap;

use super::runtimes::{OURS, PEERS, Runtime};
use super::verdict::{Verdict, judge};
use super::{Case, cases, host};
use crate::places::Place;

/// What stands in a cell, from good to bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Cell {
    Yes,
    Differs,
    Fails,
}

/// A column: a runtime in a place.
type Column = (Runtime, Place);

/// Tries all cases whose name begins with `filter` with all runtimes that are here, and prints the
/// table: a line a room, so many of its cases as it must be, and a note for each difference.
pub fn print(filter: &str) {
    let columns = columns();
    let mut rooms: BTreeMap<&str, Vec<Vec<Cell>>> = BTreeMap::new();
    let mut notes = Vec::new();
    for case in cases::all().iter().filter(|case| case.name.starts_with(filter)) {
        let room = case.name.split('/').next().unwrap_or_default();
        let row = rooms.entry(room).or_insert_with(|| vec![Vec::new(); columns.len()]);
        for (cells, column) in row.iter_mut().zip(&columns) {
            if let Some(verdict) = verdict(case, *column) {
                cells.push(cell(&verdict));
                notes.extend(note(case, *column, &verdict));
            }
        }
    }
    print_table(&columns, &rooms);
    print_notes(notes);
}

fn columns() -> Vec<Column> {
    let runtimes = [OURS].into_iter().chain(PEERS);
    let all = runtimes.flat_map(|runtime| Place::possible().into_iter().map(move |p| (runtime, p)));
    all.filter(|(runtime, place)| runtime.lacks(*place).is_none()).collect()
}

fn verdict(case: &Case, (runtime, place): Column) -> Option<Verdict> {
    let possible = case.is_for(place) && (case.lacks)().is_none();
    possible.then(|| judge(case, runtime, place))
}

fn cell(verdict: &Verdict) -> Cell {
    match verdict {
        verdict if !verdict.unexpected.is_empty() => Cell::Fails,
        verdict if !verdict.listed.is_empty() => Cell::Differs,
        _ => Cell::Yes,
    }
}

fn note(case: &Case, (runtime, place): Column, verdict: &Verdict) -> Vec<String> {
    let who = format!("{} {}, {}", runtime.name, host(place), case.name);
    let listed = verdict.listed.iter().map(|(_, entry)| format!("{who}: {}", entry.why));
    let failed = verdict.unexpected.iter().map(|failure| format!("{who}: **fails** {failure}"));
    listed.chain(failed).collect()
}

fn print_table(columns: &[Column], rooms: &BTreeMap<&str, Vec<Vec<Cell>>>) {
    let names = columns.iter().map(|(runtime, place)| format!("{} {}", runtime.name, host(*place)));
    println!("| | {} |", names.collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---:|".repeat(columns.len()));
    for (room, row) in rooms {
        let cells = row.iter().map(|cells| shown(cells)).collect::<Vec<_>>();
        println!("| {room} | {} |", cells.join(" | "));
    }
}

/// `12 of 14`, or a dash where nothing can be tried.
fn shown(cells: &[Cell]) -> String {
    let good = cells.iter().filter(|cell| **cell == Cell::Yes).count();
    match cells.len() {
        0 => "–".to_string(),
        all if all == good => format!("{all}"),
        all => format!("{good} of {all}"),
    }
}

fn print_notes(mut notes: Vec<String>) {
    notes.dedup();
    println!();
    notes.iter().for_each(|note| println!("- {note}"));
}
