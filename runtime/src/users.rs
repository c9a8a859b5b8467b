//! What is a user called?

/// The name of a user in /etc/passwd, or the number when there is none.
pub(crate) fn name(uid: u32) -> String {
    let text = primitives::read_small("/etc/passwd".as_ref()).unwrap_or_default();
    let named = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == uid).then(|| name.to_string())
    };
    text.lines().find_map(named).unwrap_or_else(|| format!("#{uid}"))
}
