//! A camera of GigE Vision, as Aravis makes one up, before the whole program.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use efficientad_testing::GigeCamera;
use serde_json::Value;

use super::Station;

/// How long the camera gives frames, in seconds; without it, ten.
const SECONDS: &str = "EFFICIENTAD_CAMERA_SECONDS";

/// The largest number of a frame in GigE Vision without extended ids.
const GIGE_LAST: u64 = 65_535;

/// After so many milliseconds a verdict is late.
const BUDGET: u64 = 200;

/// Ten frames per second, of which none is unaccounted for: each is judged in time, judged late and
/// marked, or counted as dropped.
#[test]
fn every_frame_of_a_camera_is_judged_or_counted() {
    let Some(mut camera) = GigeCamera::start(&[]) else { return };
    let seconds = std::env::var(SECONDS).map_or(10, |text| text.parse().unwrap());
    let station = Station::new(&format!(
        "[cameras.top]\nkind = \"genicam\"\ndevice = {:?}\nframe_rate = 10.0\ntimeout_ms = 2000\n\
         region = {{ width = 256, height = 128 }}\nqueue = {{ length = 4 }}\n\
         [lines.lids]\ncamera = \"top\"\nmodel = \"MODEL\"\nthreshold = -1000\nbudget_ms = {BUDGET}\n\
         [outputs.table]\nkind = \"csv\"\npath = \"lids.csv\"\n",
        GigeCamera::DEVICE
    ));
    let running = station.start();
    station.wait_for("a verdict", |it| !it.events("lids", "judged").is_empty());
    let start = Instant::now();
    sleep(Duration::from_secs(seconds));
    camera.kill();
    let took = start.elapsed().as_secs_f64();
    station.wait_for("the loss", |it| !it.events("lids", "lost").is_empty());
    assert_eq!(running.stop(), Some(0), "{}", station.text("errors.txt"));

    let log = station.log("lids");
    let of = |event: &str| log.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let (judged, failed) = (of("judged"), of("failed"));
    let numbers: BTreeSet<u64> = judged.iter().chain(&failed).map(|line| number(line)).collect();
    assert_eq!(numbers.len(), judged.len() + failed.len(), "each frame has one verdict");
    let dropped: u64 = of("dropped").iter().map(|line| line["frames"].as_u64().unwrap()).sum();
    let reasons: BTreeSet<&str> =
        of("dropped").iter().map(|line| line["reason"].as_str().unwrap()).collect();
    let (first, last) = (numbers.first().unwrap(), numbers.last().unwrap());
    let given = last - first + 1;
    let late = late_rows(&station, numbers.len());
    let text = format!(
        "{took:.1} s: frames {first} to {last}, {} judged, {late} of them late, {} failed, {dropped} \
         dropped {reasons:?}",
        judged.len(),
        failed.len(),
    );
    println!("{text}");
    assert_eq!(of("lost").len(), 1, "{text}");
    // The camera's end may have cut one more frame.
    let is_cut = reasons.iter().any(|reason| reason.contains("did not arrive whole"));
    let over = numbers.len() as u64 + dropped - given;
    assert!(over == 0 || is_cut && over == 1, "{over} too many: {text}");
    let at_the_end = format!("\nlids: {} judged, ", judged.len());
    let errors = station.text("errors.txt");
    let at_the_end = errors.rsplit_once(&at_the_end).map(|(_, rest)| rest).unwrap();
    assert_eq!(at_the_end.contains(&format!(", {dropped} dropped")), dropped > 0, "{errors}");
}

/// A frame's number, as its photo's name says it, counted on where GigE Vision begins again at 1.
/// The fake camera is near that when it starts.
fn number(line: &Value) -> u64 {
    let number = line["path"].as_str().unwrap().rsplit_once('-').unwrap().1.parse().unwrap();
    if number < GIGE_LAST / 2 { number + GIGE_LAST } else { number }
}

/// The rows that are marked as late, which are those that are older than the budget.
fn late_rows(station: &Station, expected: usize) -> usize {
    let mut table = csv::Reader::from_path(station.sandbox.path("lids.csv")).unwrap();
    let headers = table.headers().unwrap().clone();
    let place = |name| headers.iter().position(|it| it == name).unwrap();
    let (late, age) = (place("late"), place("age_ms"));
    let rows: Vec<_> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), expected, "each verdict is a row");
    for row in &rows {
        let age: u64 = row[age].parse().unwrap();
        // Ages are cut to whole milliseconds.
        let is_right = if &row[late] == "1" { age >= BUDGET } else { age <= BUDGET };
        assert!(is_right, "{row:?}");
    }
    rows.iter().filter(|row| &row[late] == "1").count()
}
