//! Where does everything that a page may cite come from?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::golden::Golden;
use crate::scene::{Badge, Compare, Predict, Scene, SceneFile};

/// The repository with its scenes. Goldens are read when a page asks for one.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// Where the repository can be read on the web.
    pub(crate) repository: Option<String>,
    pub(crate) scenes: BTreeMap<String, Scene>,
    pub(crate) predicts: BTreeMap<String, Predict>,
    pub(crate) compares: BTreeMap<String, Compare>,
}

impl Sources {
    /// Reads `book/book.toml` and `book/scenes/*.toml` below `root`.
    pub(crate) fn read(root: &Path) -> Result<Sources> {
        let mut sources = Sources {
            root: root.to_path_buf(),
            repository: repository(root)?,
            scenes: BTreeMap::new(),
            predicts: BTreeMap::new(),
            compares: BTreeMap::new(),
        };
        for path in files(&root.join("book/scenes"), "toml")? {
            let text = read(&path)?;
            let file: SceneFile =
                toml::from_str(&text).with_context(|| path.display().to_string())?;
            sources.add(file).with_context(|| path.display().to_string())?;
        }
        Ok(sources)
    }

    fn add(&mut self, file: SceneFile) -> Result<()> {
        for scene in file.scene {
            let name = scene.name.clone();
            if scene.run.is_empty() || name.contains("..") || name.starts_with('/') {
                bail!("scene `{name}`: `run` names a program, the name is like `ch02/see-it`");
            }
            unique(self.scenes.insert(name.clone(), scene).is_none(), "scene", &name)?;
        }
        for predict in file.predict {
            let name = predict.name.clone();
            unique(self.predicts.insert(name.clone(), predict).is_none(), "predict", &name)?;
        }
        for compare in file.compare {
            let name = compare.name.clone();
            unique(self.compares.insert(name.clone(), compare).is_none(), "compare", &name)?;
        }
        Ok(())
    }

    /// A scene by its name.
    pub(crate) fn scene(&self, name: &str) -> Result<&Scene> {
        known(&self.scenes, "scene", name)
    }

    /// A quiz by its name.
    pub(crate) fn predict(&self, name: &str) -> Result<&Predict> {
        known(&self.predicts, "predict", name)
    }

    /// A comparison by its name.
    pub(crate) fn compare(&self, name: &str) -> Result<&Compare> {
        known(&self.compares, "compare", name)
    }

    /// What the scene showed when it was blessed.
    pub(crate) fn golden(&self, name: &str) -> Result<Golden> {
        self.scene(name)?;
        let golden = Golden::load(&self.root, name)?;
        golden.with_context(|| format!("no golden: run `cargo run -p book -- bless {name}`"))
    }

    /// The page of `path` (relative to the root) on the web; a path alone when there is none.
    pub(crate) fn link(&self, path: &str) -> String {
        match &self.repository {
            Some(url) => format!("{url}/blob/main/{path}"),
            None => format!("/{path}"),
        }
    }

    /// The programs that the scenes name, setup and clean-up included.
    pub(crate) fn programs(scenes: &[&Scene]) -> BTreeSet<String> {
        let mut programs = BTreeSet::new();
        for scene in scenes {
            let commands = scene.setup.iter().chain(&scene.cleanup).chain([&scene.run]);
            programs.extend(commands.filter_map(|command| command.first().cloned()));
            if scene.badge == Badge::Lab {
                programs.insert("lab".to_string());
            }
        }
        programs
    }
}

fn unique(new: bool, what: &str, name: &str) -> Result<()> {
    match new {
        true => Ok(()),
        false => bail!("there are two of {what} `{name}`"),
    }
}

fn known<'a, T>(map: &'a BTreeMap<String, T>, what: &str, name: &str) -> Result<&'a T> {
    map.get(name).with_context(|| {
        let chapter = name.split('/').next().unwrap_or(name);
        let near: Vec<&str> =
            map.keys().filter(|key| key.starts_with(chapter)).map(String::as_str).collect();
        match near.is_empty() {
            true => format!("no {what} `{name}` in book/scenes"),
            false => format!("no {what} `{name}` in book/scenes; there is {}", near.join(", ")),
        }
    })
}

/// The files of `folder` with this ending, sorted; none when the folder is missing.
pub(crate) fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == ending) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A file's text; the error names the file.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

#[derive(Deserialize)]
struct BookToml {
    output: Option<Output>,
}

#[derive(Deserialize)]
struct Output {
    html: Option<Html>,
}

#[derive(Deserialize)]
struct Html {
    #[serde(rename = "git-repository-url")]
    url: Option<String>,
}

fn repository(root: &Path) -> Result<Option<String>> {
    let path = root.join("book/book.toml");
    let book: BookToml =
        toml::from_str(&read(&path)?).with_context(|| path.display().to_string())?;
    let html = book.output.and_then(|output| output.html);
    Ok(html.and_then(|html| html.url).map(|url| url.trim_end_matches('/').to_string()))
}
