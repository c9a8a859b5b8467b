//! What does a registry want to see before it answers?
//!
//! `WWW-Authenticate` says it (RFC 9110, 11.6.1): `Bearer realm="https://…",service="…",scope="…"`.

/// One way to prove who one is, as a server names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// `bearer` or `basic`, in lower case.
    pub(crate) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(is, _)| is == name).map(|(_, value)| value.as_str())
    }
}

/// All challenges of one header line, of which there can be several.
pub(crate) fn challenges(line: &str) -> Vec<Challenge> {
    let mut all: Vec<Challenge> = Vec::new();
    for part in split(line) {
        let (first, rest) = match part.split_once(char::is_whitespace) {
            Some((first, rest)) if !first.contains('=') => (Some(first), rest.trim()),
            _ if !part.contains('=') => (Some(part), ""),
            _ => (None, part),
        };
        if let Some(scheme) = first {
            all.push(Challenge { scheme: scheme.to_lowercase(), parameters: Vec::new() });
        }
        if let (Some(challenge), Some((name, value))) = (all.last_mut(), rest.split_once('=')) {
            let name = name.trim().to_lowercase();
            challenge.parameters.push((name, unquoted(value.trim())));
        }
    }
    all
}

/// The parts between commas that do not stand in quotes.
fn split(line: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(line[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(line[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else { return text.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let (mut out, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            c => {
                out.push(c);
                escaped = false;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::challenges;

    #[test]
    fn what_registries_say_is_understood() {
        let hub = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",\
                   scope=\"repository:a/b:pull,push\"";
        let all = challenges(hub);
        assert_eq!((all.len(), all[0].scheme.as_str()), (1, "bearer"));
        assert_eq!(all[0].get("realm"), Some("https://auth.docker.io/token"));
        assert_eq!(all[0].get("scope"), Some("repository:a/b:pull,push"));

        let two = challenges(
            "basic realm=\"a \\\"quoted\\\" one\", Bearer realm=https://x/t , service=s",
        );
        assert_eq!(two[0].get("realm"), Some("a \"quoted\" one"));
        assert_eq!((two[1].get("realm"), two[1].get("service")), (Some("https://x/t"), Some("s")));

        assert_eq!(challenges("Negotiate")[0].scheme, "negotiate");
        assert!(challenges("").is_empty() && challenges(",,").is_empty());
        assert_eq!(challenges("Basic realm=\"never closed")[0].get("realm"), Some("never closed"));
    }
}
