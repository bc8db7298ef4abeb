//! What was recorded is found, page by page, and exported, as plain lists of it say.

use efficientad_record::{
    Change, ChangeKind, Entry, Format, MAX_PAGE, MAX_TEXT, Mark, Photo, Policy, Query, Record,
    RecordError, Recorded,
};
use serde_json::Value;

use crate::fixture::{Sandbox, entry, photo, time};

/// Enough for three pages of the export.
const ENTRIES: u32 = 2 * MAX_PAGE as u32 + 100;

/// A record of [`ENTRIES`], of which some are marked, and what it should hold.
fn filled(sandbox: &Sandbox) -> (Record, Vec<Recorded>) {
    let record = sandbox.open(Policy::default()).unwrap();
    let threads = 16;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let record = record.clone();
            scope.spawn(move || {
                for n in (0..ENTRIES).filter(|n| n % threads == thread) {
                    let bytes = photo(n);
                    record.add(entry(n), Photo::named(Photo::of(&bytes).sha256())).unwrap();
                }
            });
        }
    });
    // The order in which threads came is theirs.
    let expected: Vec<_> = (1..=i64::from(ENTRIES))
        .map(|id| {
            let found = record.get(id).unwrap();
            let n = (found.entry.time.as_millisecond() - time(0).as_millisecond()) / 1000;
            let n = u32::try_from(n).unwrap();
            let mark = match n {
                10 => Some(Mark::Defect),
                11..20 => Some(Mark::Good),
                _ => None,
            };
            let photo_sha256 = Photo::of(&photo(n)).sha256();
            Recorded { id, entry: entry(n), photo_sha256, photo_kept: false, mark }
        })
        .collect();
    for it in &expected {
        if let Some(mark) = it.mark {
            record.mark(it.id, Mark::Good, "first").unwrap();
            record.mark(it.id, mark, "second").unwrap();
        }
    }
    (record, expected)
}

fn all_pages(record: &Record, query: &Query, limit: usize) -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    loop {
        let page = record.search(query, all.last().map(|it| it.id), limit).unwrap();
        let is_last = page.len() < limit;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

#[test]
fn what_is_found_and_exported_is_what_a_plain_list_says() {
    let sandbox = Sandbox::new();
    let (record, expected) = filled(&sandbox);
    let score = |n| entry(n).verdict.score;
    let all = Query::default;
    type Rule = fn(&Recorded) -> bool;
    let cases: Vec<(Query, Rule)> = vec![
        (all(), |_| true),
        (Query { model: Some("lid".to_owned()), ..all() }, |it| it.entry.model == "lid"),
        (Query { client: Some("page".to_owned()), ..all() }, |it| it.entry.client == "page"),
        (Query { anomalous: Some(true), ..all() }, |it| it.entry.verdict.anomalous == Some(true)),
        (Query { anomalous: Some(false), ..all() }, |it| it.entry.verdict.anomalous == Some(false)),
        (Query { from: Some(time(50_000)), ..all() }, |it| it.entry.time >= time(50_000)),
        (Query { to: Some(time(50_000)), ..all() }, |it| it.entry.time < time(50_000)),
        (Query { min_score: Some(score(9)), ..all() }, |it| {
            it.entry.verdict.score >= entry(9).verdict.score
        }),
        (Query { max_score: Some(score(9)), ..all() }, |it| {
            it.entry.verdict.score <= entry(9).verdict.score
        }),
        (Query { text: Some("PART_1".to_owned()), ..all() }, |it| it.entry.path.contains("part_1")),
        (Query { text: Some("t_%".to_owned()), ..all() }, |_| false),
        (Query { text: Some("3/p".to_owned()), ..all() }, |it| it.entry.path.contains("3/p")),
        (Query { mark: Some(Mark::Good), ..all() }, |it| it.mark == Some(Mark::Good)),
        (Query { mark: Some(Mark::Defect), ..all() }, |it| it.mark == Some(Mark::Defect)),
        (Query { marked: Some(true), ..all() }, |it| it.mark.is_some()),
        (Query { marked: Some(false), ..all() }, |it| it.mark.is_none()),
        (
            Query {
                model: Some("base".to_owned()),
                anomalous: Some(true),
                from: Some(time(20_000)),
                max_score: Some(0.5),
                text: Some("line 3".to_owned()),
                ..all()
            },
            |it| {
                it.entry.model == "base"
                    && it.entry.verdict.anomalous == Some(true)
                    && it.entry.time >= time(20_000)
                    && it.entry.verdict.score <= 0.5
                    && it.entry.path.starts_with("line 3")
            },
        ),
    ];
    for (query, rule) in cases {
        let wanted: Vec<_> = expected.iter().filter(|it| rule(it)).cloned().collect();
        let found = all_pages(&record, &query, 97);
        assert!(found.iter().rev().eq(&wanted), "{query:?}");
        assert_eq!(record.count(&query).unwrap(), wanted.len() as u64, "{query:?}");
        let mut lines = Vec::new();
        let written = record.export(&query, Format::JsonLines, &mut lines).unwrap();
        assert_eq!(written, wanted.len() as u64);
        let texts: Vec<_> = wanted.iter().map(|it| serde_json::to_string(it).unwrap()).collect();
        assert!(str::from_utf8(&lines).unwrap().lines().eq(&texts), "{query:?}");
    }
    assert_eq!(record.search(&all(), None, usize::MAX).unwrap().len(), MAX_PAGE);
}

#[test]
fn a_line_has_the_fields_of_predict_and_more() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(Policy::default()).unwrap();
    let photo = photo(15);
    record.add(entry(15), Photo::of(&photo)).unwrap();
    record.mark(1, Mark::Defect, "kim").unwrap();
    let mut line = Vec::new();
    record.export(&Query::default(), Format::JsonLines, &mut line).unwrap();
    let region = r#"{"box":{"x":15,"y":4,"width":5,"height":6},"area":20,"peak":{"value":15.1,"x":5,"y":7},"centroid":{"x":0.3333333333333333,"y":15.1}}"#;
    let expected = format!(
        r#"{{"id":1,"time":"2026-11-18T11:06:55.123Z","model":"base","model_sha256":"{}","path":"line 0/part_15.png","score":0.5500002,"anomalous":true,"p_value":0.058823529411764705,"region_count":2,"regions":[{region},{region}],"engine":{{"name":"cpu","device":"avx2","precision":"f32"}},"threshold":0.1,"client":"camera","elapsed_ms":15.3,"photo_sha256":"{}","photo_kept":true,"mark":"defect"}}"#,
        "0f".repeat(32),
        Photo::of(&photo).sha256(),
    );
    assert_eq!(String::from_utf8(line).unwrap(), expected + "\n");
    // The fields of `predict`, as `efficientad_evaluation` writes them.
    let verdict = serde_json::to_value(entry(15).verdict).unwrap();
    let whole = serde_json::to_value(record.get(1).unwrap()).unwrap();
    let Value::Object(fields) = verdict else { panic!("a verdict is an object") };
    assert!(fields.iter().all(|(name, value)| whole[name] == *value));
}

#[test]
fn marks_and_changes_keep_their_history() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(Policy::default()).unwrap();
    let change = |n: u32| Change {
        time: time(i64::from(n)),
        who: "kim".to_owned(),
        model: "lid".to_owned(),
        what: if n.is_multiple_of(2) { ChangeKind::Threshold } else { ChangeKind::Model },
        why: format!("reason {n}"),
        before: (n > 0).then(|| "0.5".to_owned()),
        after: Some("0.6".to_owned()),
    };
    for n in 0..5 {
        assert_eq!(record.add_change(change(n)).unwrap(), i64::from(n) + 1);
    }
    record.add(entry(1), Photo::of(b"x")).unwrap();
    record.mark(1, Mark::Good, "kim").unwrap();
    record.mark(1, Mark::Defect, "lee").unwrap();
    let missing = record.mark(2, Mark::Good, "kim");
    assert!(matches!(missing, Err(RecordError::NoSuchEntry(2))), "{missing:?}");
    assert!(matches!(record.get(2), Err(RecordError::NoSuchEntry(2))));
    drop(record);
    let record = sandbox.open(Policy::default()).unwrap();
    let (first, second) =
        (record.changes(None, 3).unwrap(), record.changes(Some(3), MAX_PAGE).unwrap());
    assert_eq!((first.len(), second.len()), (3, 2));
    let all: Vec<_> = first.into_iter().chain(second).map(|it| it.change).collect();
    assert!(all.into_iter().rev().eq((0..5).map(change)));
    let marks = record.marks(1).unwrap();
    let said: Vec<_> = marks.iter().map(|made| (made.mark, made.who.as_str())).collect();
    assert_eq!(said, [(Mark::Good, "kim"), (Mark::Defect, "lee")]);
}

#[test]
fn what_could_not_be_returned_is_refused() {
    let sandbox = Sandbox::new();
    let record = sandbox.open(Policy::default()).unwrap();
    let with = |change: fn(&mut Entry)| {
        let mut entry = entry(15);
        change(&mut entry);
        record.add(entry, Photo::of(b"")).unwrap_err().to_string()
    };
    let cases = [
        (with(|it| it.path = "x".repeat(MAX_TEXT + 1)), "path has 4097 bytes, of 4096 at most"),
        (with(|it| it.client = "a\0b".to_owned()), "client holds the character U+0000"),
        (with(|it| it.verdict.score = f32::NAN), "score is not finite"),
        (with(|it| it.verdict.p_value = Some(f64::INFINITY)), "p_value is not finite"),
        (with(|it| it.threshold = Some(f32::NAN)), "threshold is not finite"),
        (
            with(|it| {
                let regions = it.verdict.regions.as_mut().unwrap();
                *regions = vec![regions[0].clone(); 101];
            }),
            "regions has 101 regions, of 100 at most",
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(error, format!("the field {expected}; it is not recorded"));
    }
    assert_eq!(record.count(&Query::default()).unwrap(), 0);
}

#[test]
fn an_export_that_cannot_be_written_says_so() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let sandbox = Sandbox::new();
    let record = sandbox.open(Policy::default()).unwrap();
    record.add(entry(1), Photo::of(b"")).unwrap();
    for format in [Format::Csv, Format::JsonLines] {
        let result = record.export(&Query::default(), format, Closed);
        assert!(
            matches!(&result, Err(RecordError::Export(source))
            if source.kind() == std::io::ErrorKind::BrokenPipe),
            "{result:?}"
        );
    }
}
