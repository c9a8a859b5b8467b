//! Where may a request be sent on to?

use reqwest::Url;
use reqwest::header::LOCATION;

use super::error::{self, Error, Result};
use super::http::Reply;

/// `HOST:PORT`, without the port that the scheme has anyway: the name of a registry.
pub(crate) fn name_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether both are of one scheme, host and port.
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// Where a redirect leads to.
pub(crate) fn next_url(reply: &Reply) -> Result<Url> {
    let location = reply.header(LOCATION.as_str()).unwrap_or_default();
    sent_on(&reply.url, location)
        .map_err(|why| Error::wrong(reply.asked(), format!("it is redirected {why}")))
}

/// The URL that a `Location` means, or why nobody goes there.
fn sent_on(from: &Url, location: &str) -> std::result::Result<Url, String> {
    if location.is_empty() {
        return Err("to nowhere".to_owned());
    }
    let next = from.join(location);
    let next = next.map_err(|error| format!("to {:?}: {error}", error::tame(location)))?;
    let shown = primitives::without_secrets(next.as_str());
    if !matches!(next.scheme(), "http" | "https") {
        return Err(format!("to {shown:?}, which is not HTTP"));
    }
    if from.scheme() == "https" && next.scheme() == "http" {
        return Err(format!("from TLS to {shown}, where anybody can listen"));
    }
    if !next.username().is_empty() || next.password().is_some() {
        return Err(format!("to {shown} with a name or password in it"));
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::{same_origin, sent_on};

    #[test]
    fn what_began_with_tls_does_not_go_on_without() {
        let from: Url = "https://r.org/v2/x".parse().unwrap();
        for (location, url) in [
            ("/y?z=1", "https://r.org/y?z=1"),
            ("//s.org/y", "https://s.org/y"),
            ("https://s.org:444/y", "https://s.org:444/y"),
        ] {
            assert_eq!(sent_on(&from, location).unwrap().as_str(), url);
        }
        for (location, says) in [
            ("http://r.org/y", "from TLS to http://r.org/y"),
            ("http://s.org/y?sig=1", "sig=…, where anybody"),
            ("file:///etc/passwd", "not HTTP"),
            ("https://u:p@r.org/", "to https://r.org/ with a name"),
            ("", "to nowhere"),
            ("https://[", "to "),
        ] {
            let why = sent_on(&from, location).unwrap_err();
            assert!(why.contains(says) && !why.contains("u:p"), "{location}: {why}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let one: Url = "https://r.org/a".parse().unwrap();
        let same = |other: &str| same_origin(&one, &other.parse().unwrap());
        assert!(same("https://r.org:443/b") && same("https://R.org/"));
        for other in
            ["http://r.org/", "https://r.org:444/", "https://a.r.org/", "https://r.org.evil/"]
        {
            assert!(!same(other), "{other}");
        }
    }
}
