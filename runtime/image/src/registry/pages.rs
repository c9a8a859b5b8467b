//! How are lists read of which a registry promises no end?

use std::collections::HashSet;

use reqwest::Url;
use reqwest::header::{ACCEPT, LINK};
use serde::Deserialize;

use super::error::{Error, Result, asked};
use super::fetch::LARGEST_DOCUMENT;
use super::http::Ask;
use super::{Registry, scope};
use crate::digest::Digest;

/// How many pages are read of one list.
const MOST_PAGES: usize = 1000;
/// How many entries a list may have.
const MOST_ENTRIES: usize = 1_000_000;

#[derive(Deserialize)]
struct Tags {
    /// Some registries say null where there are none.
    tags: Option<Vec<String>>,
}

impl Registry {
    /// All tags of a repository, of which at most `each` come at once; at most `most` in all.
    ///
    /// # Errors
    /// There is no such repository, or the list has no end.
    pub fn tags(&self, repository: &str, each: Option<u32>, most: usize) -> Result<Vec<String>> {
        let mut all = Vec::new();
        self.ask_any(|endpoint, _| {
            all.clear();
            let mut url = endpoint.url(&[repository, "tags", "list"])?;
            if let Some(each) = each {
                url.query_pairs_mut().append_pair("n", &each.to_string());
            }
            let scopes = [scope(repository, "pull")];
            let mut seen = HashSet::new();
            loop {
                let ask = Ask::new("GET", url.clone(), "see which tags there are");
                let reply = endpoint.ask(&self.http, &ask, &scopes)?;
                let next = next_page(&url, reply.header(LINK.as_str()))?;
                let page: Tags = read(&url, &reply.bytes(LARGEST_DOCUMENT)?)?;
                all.extend(page.tags.unwrap_or_default());
                if all.len() >= most.min(MOST_ENTRIES) {
                    all.truncate(most);
                    return Ok(());
                }
                let Some(next) = next else { return Ok(()) };
                if !endpoint.is_own(&next) {
                    let what = format!("the next page is said to be at {next}, which is elsewhere");
                    return Err(Error::wrong(asked("GET", url.as_str()), what));
                }
                seen.insert(url);
                if seen.contains(&next) || seen.len() >= MOST_PAGES {
                    let what = "the list of tags has no end";
                    return Err(Error::wrong(asked("GET", next.as_str()), what));
                }
                url = next;
            }
        })?;
        Ok(all)
    }

    /// The index of all that refers to a document, such as its signatures; as it came. A registry that
    /// does not know this question may have it under a tag that is made from the digest.
    ///
    /// # Errors
    /// There is no answer, or one that makes no sense. That nothing refers to it is none: then the
    /// index is `None`.
    pub fn referrers(&self, repository: &str, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let scopes = [scope(repository, "pull")];
        let found = self.ask_any(|endpoint, _| {
            let url = endpoint.url(&[repository, "referrers", &digest.to_string()])?;
            let ask = Ask::new("GET", url, "see what refers to it")
                .header(ACCEPT, "application/vnd.oci.image.index.v1+json")?;
            endpoint.ask(&self.http, &ask, &scopes)?.bytes(LARGEST_DOCUMENT)
        });
        match found {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) if matches!(error.status(), Some(400 | 404 | 405 | 501)) => {}
            Err(error) => return Err(error),
        }
        let tag = format!("{}-{}", digest.algorithm().name(), digest.hex());
        match self.document(repository, &tag) {
            Ok(fetched) => Ok(Some(fetched.bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(url: &Url, bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::wrong(asked("GET", url.as_str()), format!("the answer is no list: {error}"))
    })
}

/// The next page of `Link: </v2/x/tags/list?n=2&last=b>; rel="next"` (RFC 8288).
fn next_page(url: &Url, link: Option<&str>) -> Result<Option<Url>> {
    let Some(link) = link.filter(|link| link.contains("next")) else { return Ok(None) };
    let target = link.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let wrong = |what: String| Error::wrong(asked("GET", url.as_str()), what);
    let (target, _) = target.ok_or_else(|| wrong(format!("the Link {link:?} makes no sense")))?;
    let next = url.join(target).map_err(|error| wrong(format!("Link: {target:?}: {error}")))?;
    Ok(Some(next))
}
