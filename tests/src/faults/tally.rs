//! How many points, and what came of them?

use std::collections::BTreeMap;

use super::points::{Action, Point};

/// Figures of a sweep.
#[derive(Debug, Default)]
pub struct Tally {
    rows: BTreeMap<(&'static str, &'static str), Row>,
}

#[derive(Debug, Default)]
struct Row {
    tried: usize,
    wrong: usize,
}

impl Tally {
    /// Counts a point.
    pub fn count(&mut self, point: &Point, is_wrong: bool) {
        let action = match point.action {
            Action::Refuse(_) => "refused",
            Action::Kill => "killed",
            Action::KillAll => "all killed",
        };
        let row = self.rows.entry((point.verb.name, action)).or_default();
        row.tried += 1;
        row.wrong += usize::from(is_wrong);
    }

    /// A table, for people.
    pub fn table(&self) -> String {
        let mut text = String::from("| command | what | points | wrong |\n|---|---|---|---|\n");
        for ((verb, action), Row { tried, wrong }) in &self.rows {
            text.push_str(&format!("| {verb} | {action} | {tried} | {wrong} |\n"));
        }
        text
    }
}
