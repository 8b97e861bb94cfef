//! What the documents name is there.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn every_test_that_the_readme_and_the_table_of_faults_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| fs::read_to_string(path).expect("text");
    let tests: String = sources(&root.join("tests/it")).iter().map(|path| read(path)).collect();
    let readme = read(&root.join("README.md"));
    let promises = readme.split("## Promises").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let faults = read(&root.join("tests/it/faults.rs"));
    let faults: String = faults.lines().filter(|line| line.starts_with("//! |")).collect();
    let is_name =
        |name: &&str| name.contains('_') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_there = |name: &&&str| tests.contains(&format!("fn {name}(")) || tests.contains(&format!("{name},"));
    for table in [promises, &faults] {
        let named: Vec<&str> = table.split('`').skip(1).step_by(2).filter(is_name).collect();
        assert!(named.len() >= 20, "{named:?}");
        let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }
}

/// The README's program is the example, to the letter.
#[test]
fn the_readmes_program_is_the_counter_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("text");
    let example = fs::read_to_string(root.join("examples/counter.rs")).expect("text");
    let program = readme.split("```rust,no_run\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a program");
    assert!(example.ends_with(program), "{program}");
}
