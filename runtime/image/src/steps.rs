//! How does a step say what went wrong in words of its own?

/// Does `body` as one step with a name, as [`primitives::step_giving`] does for errors of its own kind.
pub(crate) fn step<T, E: From<primitives::Error>>(
    name: &'static str,
    body: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let mut failed = None;
    let done = primitives::step_giving(name, || {
        body().map_err(|error| {
            failed = Some(error);
            primitives::Error::Unusable(String::new())
        })
    });
    match failed {
        Some(error) => Err(error),
        None => Ok(done?),
    }
}
