//! A table, read by another program.

use std::fs;

use efficientad_outputs::{OutputEvent, Record};

use crate::rig::{Station, assert_in_order};

/// The photos and lines of the rows.
fn rows(station: &Station) -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_path(station.folder.path().join("table.csv")).unwrap();
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), Record::FIELDS);
    let row = |row: Result<csv::StringRecord, _>| {
        let row = row.unwrap();
        (row[3].to_owned(), row[7].to_owned())
    };
    reader.records().map(row).collect()
}

fn config(station: &Station) -> String {
    let path = station.folder.path().join("table.csv");
    format!("kind = \"csv\"\npath = '{}'\n", path.display())
}

fn expected(line: &str, photos: u64) -> Vec<(String, String)> {
    (1..=photos).map(|photo| (line.to_owned(), format!("{line}/{photo}"))).collect()
}

#[test]
fn all_verdicts_of_all_lines_are_in_it_once_over_restarts() {
    let station = Station::new();
    let (mut lids, mut caps) = (station.line("lids"), station.line("caps"));
    for round in 1..=4 {
        lids.judge(400);
        caps.judge(30);
        let output = station.start(&config(&station), &["lids", "caps"]);
        output.wait_for(|event| *event == OutputEvent::CaughtUp);
        lids.judge(1);
        caps.judge(1);
        if round == 2 {
            // What a kill leaves: rows that are not noted as delivered.
            let note = station.state().join("out.lids.position");
            let old = fs::read(&note).unwrap();
            output.finish();
            fs::write(&note, old).unwrap();
        } else {
            output.finish();
        }
    }
    let rows = rows(&station);
    for (line, photos) in [("lids", 4 * 401), ("caps", 4 * 31)] {
        let of_line: Vec<_> = rows.iter().filter(|row| row.0 == line).cloned().collect();
        assert_eq!(of_line, expected(line, photos));
    }
}

#[test]
fn a_log_that_is_begun_anew_is_written_from_its_beginning() {
    let station = Station::new();
    station.line("lids").judge(3);
    station.start(&config(&station), &["lids"]).finish();
    fs::remove_file(station.log("lids")).unwrap();
    station.line("lids").judge(2);
    let events = station.start(&config(&station), &["lids"]).finish();
    assert!(events.contains(&OutputEvent::AnotherLog { line: "lids".to_owned() }), "{events:?}");
    let both = [expected("lids", 3), expected("lids", 2)].concat();
    assert_eq!(rows(&station), both);
}

#[test]
fn a_damaged_line_is_named_once_and_passed_over() {
    let station = Station::new();
    station.line("lids").judge(2);
    let path = station.log("lids");
    let log = fs::read_to_string(&path).unwrap();
    let (first, rest) = log.split_once('\n').unwrap();
    fs::write(&path, format!("{first}\nno line of a log\n{rest}")).unwrap();
    let events = station.start(&config(&station), &["lids"]).finish();
    let trouble = |event: &&OutputEvent| matches!(event, OutputEvent::Trouble { reason } if reason.contains("line 2 is not a line"));
    assert_eq!(events.iter().filter(trouble).count(), 1, "{events:?}");
    assert_in_order(&rows(&station), &expected("lids", 2));
}
