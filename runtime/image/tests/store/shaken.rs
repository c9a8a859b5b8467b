//! Archives and layouts in which anything may have been changed: nothing panics, nothing is believed,
//! and what is loaded is saved as it was.

use std::fs;
use std::io::Write;
use std::path::Path;

use image::store::archive::{Form, Load, load, save};
use image::store::{Store, archive::save_into_folder};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use tempfile::TempDir;

use crate::bench::content;
use crate::samples::{Layout, archive, three};

fn loaded(folder: &Path, file: &Path) -> Result<Store, image::store::Error> {
    let root = folder.join("root");
    load(Store::open(&root)?, file, &Load::default())?;
    Store::open(&root)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// An archive with some bytes changed is refused, or it is the same images; and the store is well.
    #[test]
    fn a_changed_archive_does_no_harm(changes in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = archive(&three().files());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let folder = TempDir::with_prefix("porthole-shaken-").unwrap();
        let file = folder.path().join("archive.tar");
        fs::write(&file, bytes).unwrap();
        let _ = loaded(folder.path(), &file);
        let store = Store::open(&folder.path().join("root")).unwrap();
        let checked = store.check(1).unwrap();
        prop_assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    }

    /// Images of any content and number of layers are the same after save and load, in each form.
    #[test]
    fn what_is_saved_and_loaded_is_the_same(files in vec(vec(any::<u8>(), 0..200), 0..5)) {
        let mut layout = Layout::default();
        let named: Vec<String> = (0..files.len()).map(|at| format!("file{at}")).collect();
        let files: Vec<(&str, &[u8])> =
            named.iter().zip(&files).map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let image = layout.image("amd64", &files);
        layout.name(image, "host.example/image:1");
        let folder = TempDir::with_prefix("porthole-shaken-").unwrap();
        let source = folder.path().join("layout");
        layout.write(&source);
        let store = loaded(folder.path(), &source).unwrap();
        let all = store.names().unwrap();
        save_into_folder(&store, &all, None, &folder.path().join("saved")).unwrap();
        let blobs = content(&source.join("blobs"));
        prop_assert!(content(&folder.path().join("saved/blobs")) == blobs);
        for form in [Form::Oci, Form::Docker] {
            let mut bytes = Vec::new();
            save(&store, &all, None, form, &mut bytes).unwrap();
            let other = TempDir::with_prefix("porthole-shaken-").unwrap();
            let file = other.path().join("archive.tar");
            fs::File::create(&file).unwrap().write_all(&bytes).unwrap();
            let again = loaded(other.path(), &file).unwrap();
            let image = again.resolve("host.example/image:1").unwrap();
            let here = image::model::Platform::here();
            let image = again.image(&image, &here).unwrap();
            let first = store.image(&all[0].image, &here).unwrap();
            prop_assert!(image.config == first.config);
            prop_assert!(form == Form::Docker || image.manifest == first.manifest);
        }
    }
}
