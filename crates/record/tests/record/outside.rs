//! What other programs make of the exports and of the file.

use std::fs;
use std::process::Command;

use efficientad_record::{Entry, Format, Photo, Policy, Query};

use crate::fixture::{Sandbox, entry};

/// Paths that spreadsheets and parsers stumble over.
const PATHS: [&str; 14] = [
    "plain.png",
    "a, b.png",
    "5\" part.png",
    "two\nlines\r\n.png",
    "=1+2",
    "+1",
    "-1",
    "@SUM(A1)",
    "'quoted",
    "\t=1",
    "＝1+2",
    "",
    " leading",
    "Öl/零件.png",
];

/// Reads both exports and the file by Python's own modules, and compares them.
const SCRIPT: &str = r#"
import csv, json, sqlite3, sys
table, lines, record, *paths = sys.argv[1:]
rows = list(csv.DictReader(open(table, newline="", encoding="utf-8")))
objects = [json.loads(line) for line in open(lines, encoding="utf-8")]
assert [it["path"] for it in objects] == paths, [it["path"] for it in objects]
assert len(rows) == len(objects)
for row, it in zip(rows, objects):
    for name in row:
        cell = row[name]
        assert not cell or cell[0] not in "=+@\t\r\n＝＋－＠", (name, cell)
    for name in ["path", "model", "client"]:
        cell = row[name]
        assert not cell.startswith("-"), cell
        assert (cell[1:] if cell.startswith("'") else cell) == it[name], (cell, it[name])
    for name in ["id", "score", "p_value", "threshold", "elapsed_ms"]:
        assert it[name] == (float(row[name]) if row[name] else None), (name, row[name])
    for name in ["anomalous", "photo_kept"]:
        assert it[name] == {"": None, "true": True, "false": False}[row[name]]
    assert (row["regions"] or None) == (None if it["regions"] is None else str(it["region_count"]))
    if it["regions"]:
        assert it["regions"][0]["box"] == {side: int(row[side]) for side in ["x", "y", "width", "height"]}
    assert row["photo_sha256"] == it["photo_sha256"] and row["time"] == it["time"]
base = sqlite3.connect(f"file:{record}?mode=ro", uri=True)
assert [row[0] for row in base.execute("SELECT path FROM entries ORDER BY id")] == paths
print("alike", len(rows))
"#;

#[test]
fn python_reads_what_was_recorded() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(Policy::default()).unwrap();
    for (n, path) in (0..).zip(PATHS) {
        let entry = Entry { path: path.to_owned(), ..entry(n) };
        record.add(entry, Photo::of(b"photo")).unwrap();
    }
    for (name, format) in [("t.csv", Format::Csv), ("l.jsonl", Format::JsonLines)] {
        let file = fs::File::create(sandbox.path(name)).unwrap();
        assert_eq!(record.export(&Query::default(), format, file).unwrap(), PATHS.len() as u64);
    }
    let script = sandbox.path("compare.py");
    fs::write(&script, SCRIPT).unwrap();
    let mut python = Command::new("python3");
    python.arg(script).arg(sandbox.path("t.csv")).arg(sandbox.path("l.jsonl"));
    let Ok(output) = python.arg(sandbox.record()).args(PATHS).output() else {
        efficientad_testing::skipped("exports are not read by others: python3 is missing");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, format!("alike {}\n", PATHS.len()), "{complaint}");
}

#[test]
fn a_table_begins_like_this() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(Policy::default()).unwrap();
    let path = "=HYPERLINK(\"http://x\")".to_owned();
    record.add(Entry { path, ..entry(15) }, Photo::of(b"abc")).unwrap();
    let mut table = Vec::new();
    record.export(&Query::default(), Format::Csv, &mut table).unwrap();
    let expected = format!(
        "id,time,model,model_sha256,path,score,anomalous,p_value,threshold,regions,x,y,width,height,\
         engine,client,elapsed_ms,photo_sha256,photo_kept,mark\n\
         1,2026-11-18T11:06:55.123Z,base,{},\"'=HYPERLINK(\"\"http://x\"\")\",0.5500002,true,\
         0.058823529411764705,0.1,2,15,4,5,6,\"cpu (avx2, f32)\",camera,15.3,\
         ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad,true,\n",
        "0f".repeat(32)
    );
    assert_eq!(String::from_utf8(table).unwrap(), expected);
}
