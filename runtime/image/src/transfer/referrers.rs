//! How is something found that is about an image, such as its signature?
//!
//! It names the image as its *subject*, and a registry that knows of this answers who has a subject. For
//! one that does not, whoever pushes keeps the list: an index under a tag that is made from the digest
//! of the subject (distribution-spec, "Referrers Tag Schema"). Two who push at the same moment can lose
//! one of the entries; the specification knows no remedy, and neither do we.

use serde_json::{Value, json};

use super::{Error, Result};
use crate::digest::Digest;
use crate::model::{Descriptor, Document, MediaType};
use crate::registry::Registry;

/// Adds a document to the list of those that are about its subject, if it has one.
///
/// # Errors
/// The list cannot be read, or is not taken.
pub(super) fn enter(
    registry: &Registry,
    repository: &str,
    document: &Descriptor,
    bytes: &[u8],
) -> Result<()> {
    let read = Document::read(bytes, &document.media_type);
    let Ok(Document::Manifest(manifest)) = read else { return Ok(()) };
    let Some(subject) = &manifest.subject else { return Ok(()) };
    let tag = format!("{}-{}", subject.digest.algorithm().name(), subject.digest.hex());
    let before = match registry.document(repository, &tag) {
        Ok(fetched) => Some(fetched.bytes),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    let kind = manifest.artifact_type.unwrap_or_else(|| manifest.config.media_type.to_string());
    let entry = json!({
        "mediaType": document.media_type,
        "digest": document.digest,
        "size": document.size,
        "artifactType": kind,
        "annotations": manifest.annotations,
    });
    let Some(index) = with_entry(before.as_deref(), &document.digest, entry)? else {
        return Ok(());
    };
    let index = index.to_string().into_bytes();
    let media_type = MediaType::OciIndex.to_string();
    let digest = Digest::of(&index);
    registry.put_document(repository, &tag, &media_type, &index, &digest)?;
    Ok(())
}

/// The list with one entry more; none when it is in there.
fn with_entry(before: Option<&[u8]>, digest: &Digest, entry: Value) -> Result<Option<Value>> {
    let new = || json!({ "schemaVersion": 2, "mediaType": MediaType::OciIndex, "manifests": [] });
    let unusable = |why: String| Error::Unusable(format!("the list of what refers to it: {why}"));
    let mut index = match before {
        Some(bytes) => {
            serde_json::from_slice(bytes).map_err(|error| unusable(error.to_string()))?
        }
        None => new(),
    };
    let all = index.get_mut("manifests").and_then(Value::as_array_mut);
    let all = all.ok_or_else(|| unusable("it is no index".to_owned()))?;
    if all.iter().any(|is| is["digest"] == json!(digest)) {
        return Ok(None);
    }
    all.push(entry);
    Ok(Some(index))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::with_entry;
    use crate::digest::Digest;

    #[test]
    fn nobody_is_listed_twice_and_nobody_lost() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let entry = |digest: &Digest| json!({ "digest": digest });
        let first = with_entry(None, &one, entry(&one)).unwrap().unwrap().to_string();
        assert!(with_entry(Some(first.as_bytes()), &one, entry(&one)).unwrap().is_none());
        let both = with_entry(Some(first.as_bytes()), &two, entry(&two)).unwrap().unwrap();
        assert_eq!(both["manifests"].as_array().map(Vec::len), Some(2));
        assert!(with_entry(Some(b"[]"), &one, entry(&one)).is_err());
    }
}
