//! The webhook files that a command is given: files as they are named, folders with all that is below them, in the order
//! of the paths. What is not there or cannot be read is found before anything is done with the others.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Trouble;

/// Whether this stands for the standard input.
pub fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}

/// The files named, and those with one of these `endings` below the folders named.
pub fn found(paths: &[PathBuf], endings: &[&str]) -> Result<Vec<PathBuf>, Trouble> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            readable(path).map_err(|problem| unreadable(path, &problem))?;
            files.push(path.clone());
            continue;
        }
        let mut below = Vec::new();
        collect(path, endings, &mut below)?;
        if below.is_empty() {
            return Err(Trouble {
                what: format!("there is no file of webhooks (.{}) in this folder", endings.join(", .")),
                place: path.display().to_string(),
                fix: "name the folder that holds the bodies of webhooks, or the files themselves".to_owned(),
            });
        }
        below.sort();
        files.extend(below);
    }
    Ok(files)
}

/// What the paths have in common and a table need not repeat: all that leads to a file or is a folder named.
pub fn base(paths: &[PathBuf]) -> PathBuf {
    let leading = |path: &PathBuf| match path.is_dir() {
        true => path.clone(),
        false => path.parent().unwrap_or(Path::new("")).to_owned(),
    };
    let common = |one: PathBuf, other: PathBuf| {
        one.components().zip(other.components()).take_while(|(one, other)| one == other).map(|(one, _)| one).collect()
    };
    paths.iter().filter(|path| !is_standard_input(path)).map(leading).reduce(common).unwrap_or_default()
}

fn collect(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> Result<(), Trouble> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |problem: io::Error| unreadable(&path, &problem)
    };
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.is_dir() {
            collect(&path, endings, files)?;
        } else if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
            readable(&path).map_err(at(&path))?;
            files.push(path);
        }
    }
    Ok(())
}

/// A pipe is left alone: whoever writes to it would take this for its only reader.
fn readable(path: &Path) -> io::Result<()> {
    if is_standard_input(path) || !fs::metadata(path)?.is_file() {
        return Ok(());
    }
    File::open(path).map(drop)
}

fn unreadable(path: &Path, problem: &io::Error) -> Trouble {
    let (what, fix) = match problem.kind() {
        io::ErrorKind::NotFound => ("there is no such file or folder".to_owned(), "correct the path"),
        _ => (format!("it cannot be read: {problem}"), "let the user that runs cello-relay read it"),
    };
    Trouble { what, place: path.display().to_string(), fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base_of(paths: &[&str]) -> String {
        base(&paths.iter().map(PathBuf::from).collect::<Vec<_>>()).display().to_string()
    }

    #[test]
    fn what_all_paths_begin_with_need_not_be_repeated() {
        assert_eq!(base_of(&["a/b/1.json", "a/b/2.json"]), "a/b");
        assert_eq!(base_of(&["a/b/1.json", "a/c/1.json"]), "a");
        assert_eq!(base_of(&["a/bc/1.json", "-", "a/b/1.json"]), "a");
        assert_eq!(base_of(&["1.json", "a/1.json"]), "");
        assert_eq!(base_of(&["/a/1.json", "a/1.json"]), "");
        assert_eq!(base_of(&["src/cli"]), "src/cli");
        assert_eq!(base_of(&["-"]), "");
    }
}
