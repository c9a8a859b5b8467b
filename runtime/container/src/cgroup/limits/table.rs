//! One limit as the kernel takes it: a file and what is written into it.

use std::borrow::Cow;

use bundle::Limit;

/// What has to be written for one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    /// Its name in config.json, below `linux.resources`.
    pub(super) limit: &'static str,
    /// The controller that has to be there for it.
    pub(super) controller: Cow<'static, str>,
    pub(super) file: Cow<'static, str>,
    pub(super) value: String,
    pub(super) how: How,
    pub(super) why: &'static str,
}

/// What if it cannot be written?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Then the limit cannot be had.
    Must,
    /// On kernels without this file there is nothing to do.
    IfThere,
    /// On kernels without this file it is another one, with another value.
    Or(&'static str, String),
    /// The kernel may refuse it as long as its neighbours have their old values, so then it is tried
    /// once more after them.
    Again,
}

/// The table of all that has to be written, in this order.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Write>);

impl Table {
    /// One line of it.
    pub(super) fn set(
        &mut self,
        limit: &'static str,
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
        why: &'static str,
    ) {
        self.add(How::Must, limit, file.into(), value.to_string(), why);
    }

    /// One line, if there is a value for it.
    pub(super) fn set_some(
        &mut self,
        limit: &'static str,
        file: &'static str,
        value: Option<impl ToString>,
        why: &'static str,
    ) {
        if let Some(value) = value {
            self.set(limit, file, value, why);
        }
    }

    /// One line that is written in its own manner.
    pub(super) fn add(
        &mut self,
        how: How,
        limit: &'static str,
        file: impl Into<Cow<'static, str>>,
        value: String,
        why: &'static str,
    ) {
        let file = file.into();
        // The kernel begins the name of each file with the name of its controller.
        let controller = match &file {
            Cow::Borrowed(file) => Cow::Borrowed(controller_of(file)),
            Cow::Owned(file) => Cow::Owned(controller_of(file).to_string()),
        };
        self.0.push(Write { limit, controller, file, value, how, why });
    }

    pub(super) fn done(self) -> Vec<Write> {
        self.0
    }
}

pub(super) fn controller_of(file: &str) -> &str {
    file.split('.').next().unwrap_or(file)
}

/// An amount where none is written as `-1`, as v1 has it.
pub(super) fn or_minus(limit: Limit) -> String {
    match limit {
        Limit::Of(amount) => amount.to_string(),
        Limit::None => "-1".to_string(),
    }
}

/// An amount where none is written as `max`.
pub(super) fn or_max(limit: Limit) -> String {
    match limit {
        Limit::Of(amount) => amount.to_string(),
        Limit::None => "max".to_string(),
    }
}
