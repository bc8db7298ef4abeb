//! A station that is killed again and again, with a real broker and photos that arrive meanwhile.

use std::collections::{BTreeSet, HashSet};
use std::thread::{self, sleep};
use std::time::Duration;

use efficientad_testing::{Broker, wait_until};
use serde_json::Value;

use super::{FOLDER, Station};
use crate::fixture::{part, save};

/// How often the station is killed, and how many photos arrive; few in an ordinary run.
const KILLS: &str = "EFFICIENTAD_STATION_KILLS";
const PHOTOS: &str = "EFFICIENTAD_STATION_PHOTOS";

fn number(name: &str, small: u64) -> u64 {
    std::env::var(name).map_or(small, |text| text.parse().unwrap())
}

/// A verdict as the log has it, or a message: the number of its line, and its photo.
type Told = (u64, String);

#[test]
fn no_verdict_is_lost_or_repeated_however_often_the_station_is_killed() {
    let Some(broker) = Broker::new("") else { return };
    let (kills, photos) = (number(KILLS, 3), number(PHOTOS, 40));
    let subscriber = broker.subscribe("efficientad/+/+/verdict", "%p");
    let station = Station::new(&format!(
        "{FOLDER}[outputs.broker]\nkind = \"mqtt\"\nurl = \"{}\"\n",
        broker.url()
    ));
    let folder = station.sandbox.path("photos");
    let arriving = thread::spawn(move || {
        for seed in 0..photos {
            save(&part(seed), &format!("{folder}/{seed}.png"));
            sleep(Duration::from_millis(50));
        }
    });
    for kill in 1..=kills {
        let sessions = |it: &Station| it.events("lids", "started").len();
        let before = sessions(&station);
        let running = station.start();
        // Every other time as soon as it judges, otherwise anywhere in its work.
        station.wait_for("a session", |it| sessions(it) > before);
        if kill % 2 == 1 {
            let share = kill * photos / (kills + 2);
            wait_for_each(share, || subscriber.lines().len() as u64);
        }
        sleep(Duration::from_millis(fastrand::u64(0..300)));
        running.kill();
    }
    arriving.join().unwrap();
    let running = station.start();
    // Photos that were in work when it was killed are judged half a minute later.
    let all = photos as usize;
    wait_for_each(photos, || verdicts(&station).len() as u64);
    assert_eq!(running.stop(), Some(0), "{}", station.text("errors.txt"));

    let verdicts = verdicts(&station);
    let judged: BTreeSet<&str> = verdicts.iter().map(|(_, photo)| photo.as_str()).collect();
    assert_eq!((judged.len(), verdicts.len()), (all, all), "each photo has one verdict");
    wait_until("the last message", || firsts(&subscriber.lines()).len() >= all);
    let messages = subscriber.lines();
    assert_eq!(firsts(&messages), verdicts, "each has arrived, the first time in its order");
    assert_eq!(rows(&station), verdicts, "each is a row, once");
    check_rejects(&station);
    println!(
        "killed {kills} times: {photos} photos, {} of them given up, {} sessions, {} messages",
        station.events("lids", "failed").len(),
        station.events("lids", "started").len(),
        messages.len()
    );
}

/// Waits for so many, as long as there are more of them.
fn wait_for_each(most: u64, count: impl Fn() -> u64) {
    while count() < most {
        let before = count();
        wait_until("one more", || count() > before);
    }
}

fn verdicts(station: &Station) -> Vec<Told> {
    let lines = (1..).zip(station.log("lids"));
    let verdicts = lines.filter(|(_, line)| line["event"] == "judged" || line["event"] == "failed");
    verdicts.map(|(number, line)| (number, text(&line["path"]))).collect()
}

/// What has arrived, without what was sent again; an id is never of two photos.
fn firsts(messages: &[String]) -> Vec<Told> {
    let mut ids = HashSet::new();
    let records = messages.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let firsts = records.filter(|record| ids.insert(text(&record["id"])));
    firsts.map(|record| (record["sequence"].as_u64().unwrap(), text(&record["photo"]))).collect()
}

fn rows(station: &Station) -> Vec<Told> {
    let mut table = csv::Reader::from_path(station.sandbox.path("lids.csv")).unwrap();
    let headers = table.headers().unwrap().clone();
    let place = |name| headers.iter().position(|it| it == name).unwrap();
    let (sequence, photo) = (place("sequence"), place("photo"));
    let rows = table.records().map(Result::unwrap);
    rows.map(|row| (row[sequence].parse().unwrap(), row[photo].to_owned())).collect()
}

/// Every reject lies where rejects go, and the log says so once.
fn check_rejects(station: &Station) {
    let paths = |event: &str| {
        let mut paths: Vec<_> =
            station.events("lids", event).iter().map(|line| text(&line["path"])).collect();
        paths.sort_unstable();
        paths
    };
    let judged = paths("judged");
    assert_eq!(paths("filed"), judged, "with this threshold each is one");
    let mut pictures: Vec<String> = std::fs::read_dir(station.sandbox.path("rejects"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pictures.sort_unstable();
    assert_eq!(pictures, judged);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
