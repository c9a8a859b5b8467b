//! How does an event get into `tracing`, and out again?
//!
//! Any subscriber sees an ordinary event with ordinary fields. Our own layers want the whole value
//! and not its text, which `tracing`'s fields cannot carry; so it lies beside the event, where
//! [`current`] finds it while the event is being handled.

use std::cell::RefCell;

use crate::{Event, Record};

thread_local! {
    static CURRENT: RefCell<Option<Event>> = const { RefCell::new(None) };
}

/// Sends `event` through `tracing`.
pub fn emit(event: Event) {
    CURRENT.with(|current| current.replace(Some(event)));
    // The borrow must end before a layer looks, so the fields are read under a borrow of their own.
    CURRENT.with(|current| match current.borrow().as_ref() {
        Some(Event::Request(record)) => request(record),
        Some(Event::Step(note)) => {
            tracing::info!(target: "porthole", role = %note.role, step = ?note.step, fate = ?note.fate);
        }
        Some(Event::State(state)) => {
            tracing::info!(target: "porthole", role = %state.role, host_pid = state.host_pid, changes = state.changes.len());
        }
        None => {}
    });
    CURRENT.with(|current| current.replace(None));
}

fn request(record: &Record) {
    tracing::info!(
        target: "porthole",
        seq = record.seq,
        role = %record.role,
        pid = record.pid,
        host_pid = record.host_pid,
        step = record.step.last().map(|s| s.as_ref()),
        request = %record.request(),
        outcome = %record.outcome,
        micros = record.micros,
        why = %record.why,
        source = %record.source,
    );
}

/// Hands the event that is being emitted on this thread to `look`; does nothing when there is none.
pub fn current(look: impl FnOnce(&Event)) {
    CURRENT.with(|current| {
        if let Ok(event) = current.try_borrow()
            && let Some(event) = event.as_ref()
        {
            look(event);
        }
    });
}
