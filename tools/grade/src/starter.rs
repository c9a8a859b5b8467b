//! What does a learner begin with?
//!
//! With the reference, less what is to be written: the lines between `// SOLUTION` and
//! `// END SOLUTION` go, and the `// STARTER:` lines before them take their place. The hints go as
//! well, because `grade hint` gives them one at a time.
//!
//! It is a package of its own, outside of the workspace: whatever happens in it, the workspace
//! still builds. It has the workspace's lock file, so nothing is looked up anew.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::exercise::{Exercise, Number, root};

/// Makes the starter of `exercise` in `folder`, over what is there.
pub(crate) fn make(exercise: &Exercise, folder: &Path) -> Result<()> {
    let reference = fs::read_to_string(&exercise.path)?;
    let text =
        text(&reference, exercise.number).with_context(|| exercise.path.display().to_string())?;
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let source = folder.join("src");
    fs::create_dir_all(&source)?;
    fs::write(source.join("main.rs"), text)?;
    fs::write(folder.join("Cargo.toml"), manifest(exercise, &reference, folder, &lock)?)?;
    fs::write(folder.join("Cargo.lock"), lock)?;
    share_artefacts(folder)
}

/// All packages beside each other build into one place: what they have in common is built once.
fn share_artefacts(folder: &Path) -> Result<()> {
    let parent = folder.parent().context("a starter has a folder above it")?;
    fs::create_dir_all(parent.join(".cargo"))?;
    let config = "# Made by `grade`: all exercises share what they have in common.\n\
                  [build]\ntarget-dir = \"target\"\n";
    Ok(fs::write(parent.join(".cargo/config.toml"), config)?)
}

/// Libraries that exercises use besides, each with what is to be said of it.
const LIBRARIES: [(&str, &str); 3] =
    [("serde_json", ""), ("sha2", ""), ("tar", ", default-features = false")];

/// What the solution uses, the starter may use too.
fn libraries(reference: &str, lock: &str) -> Result<String> {
    let mut lines = String::new();
    for (name, more) in LIBRARIES {
        if reference.contains(&format!("{name}::")) {
            let version = locked_version(lock, name);
            let version = version.with_context(|| format!("no {name} in Cargo.lock"))?;
            lines.push_str(&format!("{name} = {{ version = \"={version}\"{more} }}\n"));
        }
    }
    Ok(lines)
}

fn manifest(exercise: &Exercise, reference: &str, folder: &Path, lock: &str) -> Result<String> {
    let name = exercise.name();
    let libraries = libraries(reference, lock)?;
    let up = up_to_root(folder)?;
    let clap = locked_version(lock, "clap").context("no clap in Cargo.lock")?;
    Ok(format!(
        "# Exercise {number}, made by `grade start {number}`. It is no part of the workspace.\n\
         [package]\n\
         name = \"{name}\"\n\
         version = \"0.0.0\"\n\
         edition = \"2024\"\n\
         publish = false\n\n\
         [dependencies]\n\
         clap = {{ version = \"={clap}\", features = [\"derive\", \"wrap_help\"] }}\n\
         primitives = {{ path = \"{up}runtime/primitives\" }}\n\
         {libraries}\n\
         [workspace]\n\n\
         [profile.dev]\n\
         debug = \"line-tables-only\"\n",
        number = exercise.number
    ))
}

/// The way from `folder`, which lies below the repository's root, to that root: `../../`.
fn up_to_root(folder: &Path) -> Result<String> {
    let below = folder.strip_prefix(root());
    let below = below.with_context(|| format!("{} is elsewhere", folder.display()))?;
    Ok("../".repeat(below.components().count()))
}

fn locked_version(lock: &str, package: &str) -> Option<String> {
    let head = format!("name = \"{package}\"\nversion = \"");
    let (_, rest) = lock.split_once(&head)?;
    let (version, _) = rest.split_once('"')?;
    Some(version.to_string())
}

/// The starter's text.
pub(crate) fn text(reference: &str, number: Number) -> Result<String> {
    let mut starter = Starter::default();
    for line in reference.lines() {
        starter.take(line, number)?;
    }
    ensure!(!starter.in_solution, "a `// SOLUTION` has no end");
    ensure!(starter.solutions > 0, "there is no `// SOLUTION`");
    Ok(starter.text)
}

#[derive(Default)]
struct Starter {
    text: String,
    in_solution: bool,
    in_hints: bool,
    solutions: usize,
}

impl Starter {
    fn take(&mut self, line: &str, number: Number) -> Result<()> {
        match line.trim() {
            "// SOLUTION" if self.in_solution => bail!("a `// SOLUTION` within another"),
            "// SOLUTION" => {
                self.in_solution = true;
                self.solutions += 1;
            }
            "// END SOLUTION" if !self.in_solution => bail!("an `// END SOLUTION` too many"),
            "// END SOLUTION" => self.in_solution = false,
            _ if self.in_solution => {}
            _ => self.keep(line, number),
        }
        Ok(())
    }

    fn keep(&mut self, line: &str, number: Number) {
        if line.starts_with("//! hint:") && !self.in_hints {
            self.in_hints = true;
            self.push(&format!("//! Is it right? `cargo run -p grade -- check {number}`"));
            self.push(&format!("//! Stuck? `cargo run -p grade -- hint {number}`"));
        }
        if self.in_hints && line.starts_with("//!") {
            return;
        }
        match line.split_once("// STARTER:") {
            Some((indent, code)) if indent.trim().is_empty() => {
                let code = code.strip_prefix(' ').unwrap_or(code);
                self.push(format!("{indent}{code}").trim_end());
            }
            _ => self.push(line),
        }
    }

    /// Two empty lines would tell where something was taken out.
    fn push(&mut self, line: &str) {
        if line.is_empty() && (self.text.is_empty() || self.text.ends_with("\n\n")) {
            return;
        }
        self.text.push_str(line);
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::{locked_version, text, up_to_root};
    use crate::exercise::{Number, all, root};

    const NUMBER: Number = Number { chapter: 2, place: 1 };

    #[test]
    fn the_solution_goes_and_the_starter_comes() {
        let reference = "//! Exercise 2.1: Names (5 minutes)\n//!\n//! Do it.\n//!\n\
                         //! hint: how\n//!       to\n\nuse a;\n\n\
                         // SOLUTION\nuse b;\n// END SOLUTION\n\nfn f() {\n    \
                         // STARTER: // Here.\n    // STARTER: todo();\n    \
                         // SOLUTION\n    done();\n    // END SOLUTION\n}\n";
        let expected = "//! Exercise 2.1: Names (5 minutes)\n//!\n//! Do it.\n//!\n\
                        //! Is it right? `cargo run -p grade -- check 2.1`\n\
                        //! Stuck? `cargo run -p grade -- hint 2.1`\n\
                        \nuse a;\n\nfn f() {\n    // Here.\n    todo();\n}\n";
        assert_eq!(text(reference, NUMBER).unwrap(), expected);
    }

    #[test]
    fn marks_that_do_not_match_are_named() {
        let wrong = |reference: &str| text(reference, NUMBER).unwrap_err().to_string();
        assert!(wrong("fn main() {}\n").contains("no `// SOLUTION`"));
        assert!(wrong("// SOLUTION\n").contains("no end"));
        assert!(wrong("// END SOLUTION\n").contains("too many"));
        assert!(wrong("// SOLUTION\n// SOLUTION\n").contains("within another"));
    }

    #[test]
    fn no_starter_of_the_course_has_marks_or_hints_in_it() {
        for exercise in all().unwrap() {
            let reference = std::fs::read_to_string(&exercise.path).unwrap();
            let starter = text(&reference, exercise.number).unwrap();
            assert!(!starter.contains("SOLUTION"), "{}", exercise.number);
            assert!(!starter.contains("STARTER"), "{}", exercise.number);
            assert!(!starter.contains("//! hint:"), "{}", exercise.number);
            assert!(starter.len() < reference.len(), "{}", exercise.number);
        }
    }

    #[test]
    fn the_way_back_and_the_version_are_found() {
        assert_eq!(up_to_root(&root().join("work/ex2_1")).unwrap(), "../../");
        assert!(up_to_root("/elsewhere".as_ref()).is_err());
        let lock = "[[package]]\nname = \"clap\"\nversion = \"4.6.9\"\n";
        assert_eq!(locked_version(lock, "clap").unwrap(), "4.6.9");
    }
}
