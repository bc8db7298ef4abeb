//! Every parser on some thousand changed files, and on every file that once was a finding. One test does all of that: memory
//! and panics are counted for the whole process.

use std::fs;
use std::path::Path;

use efficientad_fuzzing::{Mutator, Trials, target, targets};

#[test]
fn no_file_makes_a_parser_panic_or_take_more_than_stated() {
    let mut trials = Trials::new();
    let mut wrong = Vec::new();
    for target in targets() {
        let mutator = Mutator::new(target, 0);
        let mut taken = 0;
        for number in 0..target.tried_in_tests {
            let trial = trials.try_file(target, &mutator.file(number));
            taken += u64::from(trial.is_taken);
            wrong.extend(trial.finding.map(|it| format!("{} file {number}: {it}", target.name)));
        }
        println!("{}: {taken} of {} files taken", target.name, target.tried_in_tests);
        let is_varied = taken > 0 && taken < target.tried_in_tests;
        if !is_varied {
            wrong.push(format!("{}: {taken} files taken: nothing is tried", target.name));
        }
    }
    for (name, file) in regressions() {
        let target = target(&name).unwrap_or_else(|| panic!("no parser {name}"));
        let trial = trials.try_file(target, &fs::read(&file).unwrap());
        wrong.extend(trial.finding.map(|it| format!("{name} {}: {it}", file.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn cargo_fuzz_has_every_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let programs = fs::read_dir(root.join("fuzz_targets")).unwrap().count();
    assert_eq!((manifest.matches("[[bin]]").count(), programs), (targets().count(), programs));
    for target in targets() {
        let name = target.name;
        let path = format!("fuzz_targets/{name}.rs");
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"{path}\"")), "{name}");
        let program = fs::read_to_string(root.join(path)).unwrap();
        assert!(program.contains(&format!("parser!(\"{name}\")")), "{name}");
    }
}

/// The files of `regressions`, each with the name of its folder.
fn regressions() -> Vec<(String, std::path::PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let content = |folder: &Path| -> Vec<_> {
        let entries = fs::read_dir(folder).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let folders = content(&root).into_iter().filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        content(&folder).into_iter().map(move |file| (name.clone(), file))
    });
    files.collect()
}
