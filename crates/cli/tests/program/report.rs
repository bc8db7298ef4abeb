//! The page of `eval --report`, as files, as text and in a browser.

use std::fs;
use std::path::Path;
use std::process::Command;

use efficientad_testing::skipped;

use crate::fixture::{Sandbox, defective_part, part, run, save, shared};

const HOSTILE: &str = "<img src=x onerror=alert(1)>&\"'{{7}}<script>alert(1)<\u{2215}script>";

fn read(folder: &str) -> String {
    fs::read_to_string(format!("{folder}/report.html")).unwrap()
}

/// A data set whose kinds and files have the names that break pages: markup and very long words.
fn hostile_dataset(sandbox: &Sandbox) -> String {
    let root = sandbox.path("<b>cloth & co");
    (0..2).for_each(|n| save(&part(n), &format!("{root}/train/good/{n}.png")));
    let long = "long".repeat(50);
    for name in [HOSTILE, &long] {
        save(&part(7), &format!("{root}/test/good/{name}.png"));
        save(&defective_part(8).0, &format!("{root}/test/{name}/{name}.png"));
    }
    save(&part(9), &format!("{root}/test/good/wide.png"));
    fs::write(format!("{root}/test/good/broken<i>.png"), b"no image").unwrap();
    root
}

#[test]
fn a_report_is_one_file_and_always_the_same() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let (first, second) = (sandbox.path("deep/first"), sandbox.path("second"));
    let arguments = ["eval", &shared.model, &shared.dataset, "--report"];
    let printed = run(arguments.iter().chain(&[first.as_str()])).success();
    assert!(printed.ends_with(&format!("the report is in {first}/report.html\n")), "{printed}");
    run(arguments.iter().chain(&[second.as_str(), "--json", "--threads", "1"])).success();
    assert_eq!(fs::read_dir(&first).unwrap().count(), 1);
    let page = read(&first);
    assert!(page == read(&second), "two runs differ");
    for text in [
        "<title>Inspection report: cloth</title>",
        " of 2 defective images and rejected ",
        "ROC of the images",
        "PRO: how well defects are marked",
        "Photo test/hole/0.png",
        "twice the score of the only good image",
        "Fingerprint of the training data",
        "<th scope=\"row\">View</th>",
        "Signature",
    ] {
        assert!(page.contains(text), "{text:?} is missing");
    }
    assert_eq!(page.matches("src=\"data:image/jpeg;base64,").count(), 2 * 4);
}

#[test]
fn names_of_files_are_text_and_nothing_else() {
    let sandbox = Sandbox::new();
    let (dataset, out) = (hostile_dataset(&sandbox), sandbox.path("out"));
    run(["eval", &shared().model, &dataset, "--report", &out]).expect(1, &["broken<i>.png"]);
    let page = read(&out);
    for markup in ["<img src=x", "<script", "<b>cloth", "broken<i>"] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert!(page.contains("<h1>&#60;b&#62;cloth &#38; co</h1>"));
    assert!(page.contains("&#60;img src=x onerror=alert(1)&#62;&#38;&#34;&#39;{{7}}"));
    assert!(page.contains("broken&#60;i&#62;.png"));
    check_in_browser(&out);
}

#[test]
fn a_threshold_of_ones_own_is_told_apart() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let out = sandbox.path("out");
    let arguments = ["eval", &shared.model, &shared.dataset, "--threshold", "-1000", "--report"];
    run(arguments.iter().chain(&[out.as_str()])).success();
    let page = read(&out);
    assert!(page.contains("The threshold -1000.0000 was given by the user."));
    assert!(page.contains("found 2 of 2 defective images and rejected 2 of 2 good ones"));
    assert!(page.contains("2 false rejects, the worst first."));
    assert!(page.contains("There is no false accept. These were the closest calls."));
}

#[test]
fn a_report_that_cannot_be_written_is_no_work_lost() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let file = sandbox.write("file", b"");
    run(["eval", &shared.model, &shared.dataset, "--report", &file])
        .expect(2, &["file: cannot be written", "check the folder"]);
}

#[test]
fn a_browser_shows_all_of_it_on_wide_and_narrow_screens() {
    let shared = shared();
    let sandbox = Sandbox::new();
    let out = sandbox.path("out");
    run(["eval", &shared.model, &shared.dataset, "--report", &out]).success();
    check_in_browser(&out);
}

/// Runs `tools/report_check.py`, where Python has what it needs and Chromium is installed; says so
/// past the test's captured output where not.
fn check_in_browser(folder: &str) {
    let probe = "import playwright.sync_api, shutil, os, sys; \
                 sys.exit(not (os.environ.get('CHROMIUM') or shutil.which('chromium')))";
    let found = Command::new("python3").args(["-c", probe]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        let reason = "reports are not opened: chromium, or python3 with playwright, is missing";
        return skipped(reason);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/report_check.py");
    let page = format!("{folder}/report.html");
    let output = Command::new("python3").arg(script).arg(page).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
