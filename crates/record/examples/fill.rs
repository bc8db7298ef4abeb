//! Fills a record, and says how long that, opening, searching and exporting take:
//!
//! ```text
//! cargo run --release -p efficientad-record --example fill -- NEW_FILE ENTRIES THREADS
//! ```

use std::io;
use std::time::Instant;

use efficientad::{EngineId, Precision};
use efficientad_evaluation::Verdict;
use efficientad_record::{Entry, Fingerprint, Format, Keep, Photo, Policy, Query, Record};
use jiff::Timestamp;

fn entry(n: u32) -> Entry {
    let anomalous = Some(n.is_multiple_of(100));
    Entry {
        time: Timestamp::now(),
        model: "part".to_owned(),
        model_sha256: Fingerprint([7; 32]),
        path: format!("camera 1/part_{n}.jpg"),
        verdict: Verdict { score: n as f32, anomalous, p_value: Some(0.5), ..Verdict::default() },
        engine: EngineId { name: "cpu".into(), device: "avx2".into(), precision: Precision::F32 },
        threshold: Some(0.1),
        client: "camera".to_owned(),
        elapsed_ms: 90.0,
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    println!("{what}: {:.4} s", started.elapsed().as_secs_f64());
    result
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [path, entries, threads] = &arguments[..] else { return Err("three arguments".into()) };
    let (entries, threads): (u32, u32) = (entries.parse()?, threads.parse()?);
    let policy = Policy { keep: Keep::None, ..Policy::default() };
    let record = Record::open(path, policy)?;
    let add = &|first| {
        for n in (first..entries).step_by(threads as usize) {
            if let Err(error) = record.add(entry(n), Photo::named(Fingerprint([9; 32]))) {
                eprintln!("{error}");
            }
        }
    };
    timed(&format!("{entries} entries by {threads} threads"), || {
        std::thread::scope(|scope| {
            (0..threads).for_each(|first| drop(scope.spawn(move || add(first))))
        });
    });
    timed("close", || drop(record));
    let record = timed("open", || Record::open(path, policy))?;
    println!("checked: {:?}", record.checked());
    let rejects = Query { anomalous: Some(true), ..Query::default() };
    timed("last 100 rejects", || record.search(&rejects, None, 100))?;
    let text = Query { text: Some("part_7.".to_owned()), ..Query::default() };
    timed("search of a text in all paths", || record.search(&text, None, 100))?;
    timed("count of all", || record.count(&Query::default()))?;
    timed("export as CSV", || record.export(&Query::default(), Format::Csv, io::sink()))?;
    timed("export as JSON Lines", || {
        record.export(&Query::default(), Format::JsonLines, io::sink())
    })?;
    Ok(())
}
