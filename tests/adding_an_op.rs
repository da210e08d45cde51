//! `docs/adding-an-op.md`, followed to the letter in a copy of the crate: what it says is enough, and counted right.

#![cfg(feature = "gpu")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const GUIDE: &str = include_str!("../docs/adding-an-op.md");

/// Files that the guide writes: a section headed by a path, and its first block of code.
fn files() -> Vec<(&'static str, &'static str)> {
    let sections = GUIDE.split("\n## ").skip(1);
    let file = |section: &'static str| {
        let (heading, text) = section.split_once('\n')?;
        let path = heading.split('`').nth(1)?;
        let code = text.split_once("\n```")?.1.split_once('\n')?.1.split_once("\n```")?.0;
        Some((path, code))
    };
    sections.filter_map(file).collect()
}

/// Lines that it adds to others: the file, the line, and the beginning of the line above.
fn lines() -> Vec<[String; 3]> {
    let table = GUIDE.split_once("\n| file | line |").expect("a table of lines").1.lines().skip(2);
    let row = |row: &str| {
        let row = row.replace("\\|", "\u{1}");
        let cells: Vec<String> = row
            .trim_matches('|')
            .split('|')
            .map(|cell| {
                let cell = cell.trim();
                let ticks = cell.chars().take_while(|&c| c == '`').count();
                cell[ticks..cell.len() - ticks].replace('\u{1}', "|")
            })
            .collect();
        cells.try_into().expect("three cells")
    };
    table.take_while(|l| l.starts_with('|')).map(row).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|e| (e.path(), e.file_name())).unwrap();
        let to = to.join(&name);
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn the_guide_is_enough() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let to = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("adding-an-op");
    for name in ["benches", "docs", "examples", "shaders", "src", "tests"] {
        let _ = fs::remove_dir_all(to.join(name));
        copy(&root.join(name), &to.join(name));
    }
    for name in ["CHANGELOG.md", "Cargo.lock", "README.md"] {
        fs::copy(root.join(name), to.join(name)).unwrap();
    }
    // Another package of the same target folder: dependencies are those that are there, and nothing is mixed up.
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (name, renamed) = ("name = \"quarter\"", "name = \"quarter-with-axpby\"");
    assert!(manifest.contains(name));
    let manifest = manifest.replacen(name, renamed, 1) + "\n[lib]\nname = \"quarter\"\n";
    fs::write(to.join("Cargo.toml"), manifest).unwrap();

    let (files, lines) = (files(), lines());
    for (path, code) in &files {
        assert!(!root.join(path).exists(), "{path} is there already");
        fs::create_dir_all(to.join(path).parent().unwrap()).unwrap();
        fs::write(to.join(path), format!("{code}\n")).unwrap();
    }
    for [path, line, above] in &lines {
        let text = fs::read_to_string(to.join(path)).unwrap();
        let at = text.find(&format!("\n{above}")).unwrap_or_else(|| panic!("{path} has no line `{above}`"));
        let mut end = at + 1 + text[at + 1..].find('\n').unwrap();
        // The rest of what stands there belongs to it.
        while text[end + 1..].starts_with("  ") && path.ends_with(".md") {
            end += 1 + text[end + 1..].find('\n').unwrap();
        }
        fs::write(to.join(path), format!("{}\n{line}{}", &text[..end], &text[end..])).unwrap();
    }
    let code: usize = files.iter().map(|f| f.1.lines().count()).sum();
    let said = format!("One Rust file and one shader, {code} lines together; five lines elsewhere.");
    assert_eq!((files.len(), lines.len()), (2, 5));
    assert!(GUIDE.contains(&said), "the guide must say: {said}");

    let cargo = |tests: &[&str], filter: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(&to).args(["test", "--quiet"]).args(tests);
        if cfg!(feature = "faer") {
            command.args(["--features", "faer"]);
        }
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        command.arg("--target-dir").arg(target).arg("--").args(filter);
        let output = command.env("QUARTER_OPERATIONS", "axpby").output().unwrap();
        let text = [output.stdout, output.stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat();
        assert!(output.status.success(), "{command:?}\n{text}");
        text
    };
    let text = cargo(&["--test", "conformance", "--test", "readme", "--test", "shaders"], &[]);
    for kernel in ["axpby cpu", "axpby plain"] {
        assert!(text.contains(&format!("| {kernel} | 9 |")), "{text}");
    }
    let text = cargo(&["--test", "mutation"], &["operands"]);
    assert!(text.contains("| axpby plain | drop the last term |"), "{text}");
}
