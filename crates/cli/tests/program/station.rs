//! A station: cameras, models and outputs by a file, and what becomes of it while it runs.

#[cfg(target_os = "linux")]
mod disks;
#[cfg(feature = "genicam")]
mod genicam;
#[cfg(unix)]
mod kills;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use image::ImageFormat;
use serde_json::Value;

use crate::fixture::{Sandbox, command, part, run, save, shared};
use crate::schemas::assert_follows;

/// Longest time that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with a station's file.
struct Station {
    sandbox: Sandbox,
}

/// A station that runs.
struct Running {
    child: Option<Child>,
    errors: String,
}

impl Station {
    /// One with these cameras, lines and outputs; `MODEL` is the model that tests share.
    fn new(tables: &str) -> Self {
        let station = Self { sandbox: Sandbox::new() };
        station.describe(tables);
        station
    }

    fn describe(&self, tables: &str) {
        let text = format!("name = \"cell 4\"\n{}", tables.replace("MODEL", &shared().model));
        // As editors do it.
        let new = self.sandbox.write("station.toml.new", text.as_bytes());
        fs::rename(new, self.file()).unwrap();
    }

    fn file(&self) -> String {
        self.sandbox.path("station.toml")
    }

    fn photo(&self, folder: &str, seed: u64) {
        save(&part(seed), &self.sandbox.path(&format!("{folder}/{seed}.png")));
    }

    fn start(&self) -> Running {
        let errors = self.sandbox.path("errors.txt");
        let mut command = command(["run", &self.file(), "--finish", "60"]);
        command.stdout(Stdio::null()).stderr(File::create(&errors).unwrap());
        Running { child: Some(command.spawn().unwrap()), errors }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.sandbox.path(name)).unwrap_or_default()
    }

    /// The whole lines of a line's log.
    fn log(&self, line: &str) -> Vec<Value> {
        let text = self.text(&format!("state/{line}.jsonl"));
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines of one event in a line's log.
    fn events(&self, line: &str, event: &str) -> Vec<Value> {
        let mut lines = self.log(line);
        lines.retain(|line| line["event"] == event);
        lines
    }

    #[track_caller]
    fn wait_for(&self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_there(self) {
            assert!(start.elapsed() < PATIENCE, "{what}: {}", self.text("errors.txt"));
            sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn wait_for_note(&self, text: &str) {
        self.wait_for(text, |it| it.text("errors.txt").contains(text));
    }
}

impl Running {
    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Asks it to stop; its exit code.
    fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.take().unwrap().wait().unwrap().code()
    }

    fn kill(mut self) {
        self.signal("-KILL");
        self.child.take().unwrap().wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            eprintln!("{}", fs::read_to_string(&self.errors).unwrap_or_default());
        }
    }
}

const FOLDER: &str = r#"
[cameras.top]
kind = "folder"
path = "photos"
settle_ms = 100
[lines.lids]
camera = "top"
model = "MODEL"
threshold = -1000
rejects = "rejects"
[outputs.table]
kind = "csv"
path = "lids.csv"
"#;

#[test]
fn photos_of_a_folder_become_rows_of_a_table() {
    let station = Station::new(FOLDER);
    (0..3).for_each(|seed| station.photo("photos", seed));
    let running = station.start();
    station.wait_for("three rows", |it| it.text("lids.csv").lines().count() == 4);
    // What comes later, too, and what comes while it does not run.
    station.photo("photos", 3);
    station.wait_for("four rows", |it| it.text("lids.csv").lines().count() == 5);
    assert_eq!(running.stop(), Some(0), "{}", station.text("errors.txt"));
    station.photo("photos", 4);
    let running = station.start();
    station.wait_for("five rows", |it| it.text("lids.csv").lines().count() == 6);
    assert_eq!(running.stop(), Some(0));

    let rows = station.text("lids.csv");
    let predicted = run(["predict", &shared().model, &station.sandbox.path("photos"), "--json"]);
    for verdict in predicted.json_lines() {
        let name = Path::new(verdict["path"].as_str().unwrap()).file_name().unwrap();
        let (name, score) = (name.to_str().unwrap(), verdict["score"].to_string());
        let rows: Vec<&str> =
            rows.lines().filter(|row| row.contains(&format!(",{name},"))).collect();
        assert_eq!(rows.len(), 1, "{name}");
        assert!(rows[0].contains(&format!(",{score},")), "{score} is not in {}", rows[0]);
        assert!(Path::new(&station.sandbox.path(&format!("rejects/{name}"))).exists());
    }
    assert_eq!(station.events("lids", "judged").len(), 5);
    let errors = station.text("errors.txt");
    assert!(errors.contains("cell 4: 1 camera, 1 line, 1 output"), "{errors}");
    assert!(
        errors.contains("\nlids: 1 judged, 1 anomalous, "),
        "how the line was at the end: {errors}"
    );
}

#[test]
fn all_that_cannot_work_is_told_before_anything_starts() {
    let station = Station::new(
        r#"
[cameras.top]
kind = "mjpeg"
url = "ftp://camera/"
[cameras."a b"]
kind = "folder"
path = "photos"
[lines.lids]
camera = "side"
model = "none.model"
budget_ms = 0
[outputs.table]
kind = "csv"
path = "lids.csv"
lines = ["lid"]
"#,
    );
    for options in [&["--check"][..], &[]] {
        let refused = run([&["run", &station.file()], options].concat());
        refused.expect(
            2,
            &[
                "[cameras.top] url: ",
                "[cameras.top] no line has this camera",
                "[cameras.a b] a name has 1 to 64",
                "[lines.lids] camera: there is no [cameras.side]",
                "[lines.lids] budget_ms: every verdict would be late",
                "none.model",
                "[outputs.table] lines: there is no line `lid`",
            ],
        );
    }
    assert_eq!(station.sandbox.names(), ["station.toml"], "nothing was made");
    station.describe("[lines.lids]\ncamera = \"top\"\nmodle = \"x\"");
    run(["run", &station.file()]).expect(2, &["[lines.lids] unknown field `modle`"]);
    run(["run", &station.sandbox.path("other.toml")]).expect(2, &["other.toml: cannot be read"]);

    station.describe(FOLDER);
    let checked = run(["run", &station.file(), "--check"]);
    assert!(checked.success().contains("can work: 1 camera, 1 line, 1 output"));
    assert_eq!(station.sandbox.names(), ["station.toml"], "nothing was made");
}

#[test]
fn what_changes_is_taken_while_it_runs_if_it_can_work() {
    let station = Station::new(FOLDER);
    let model = station.sandbox.path("own.model");
    fs::copy(&shared().model, &model).unwrap();
    let own = FOLDER.replace("MODEL", "own.model");
    station.describe(&own);
    station.photo("photos", 0);
    let running = station.start();
    station.wait_for("a row", |it| it.text("lids.csv").lines().count() == 2);

    // A file that can't work changes nothing.
    station.describe(&own.replace("own.model", "none.model"));
    station.wait_for_note("not changed: [lines.lids] model: ");
    station.photo("photos", 1);
    station.wait_for("two rows", |it| it.text("lids.csv").lines().count() == 3);

    // A line more, and an output of it alone; the first line goes on as it was.
    let more = "[lines.again]\ncamera = \"top\"\nmodel = \"MODEL\"\nthreshold = 1000\n\
                [outputs.other]\nkind = \"csv\"\npath = \"other.csv\"\nlines = [\"again\"]\n";
    let first_only = own.replace("path = \"lids.csv\"", "path = \"lids.csv\"\nlines = [\"lids\"]");
    station.describe(&format!("{first_only}{more}"));
    station.wait_for_note("changed: line again");
    station.wait_for("rows of the other line", |it| it.text("other.csv").lines().count() == 3);
    assert_eq!(station.events("lids", "started").len(), 1, "the first line was not touched");

    // Another model: the line goes on with it.
    let good = station.sandbox.good_photos("good", 12);
    run(["calibrate", &model, &good, "--false-reject", "20%"]).success();
    station.wait_for_note("changed: model of line lids");
    station.photo("photos", 2);
    station.wait_for("three photos", |it| it.events("lids", "judged").len() == 3);
    let models: Vec<Value> =
        station.events("lids", "started").iter().map(|it| it["model"].clone()).collect();
    assert_eq!(models.len(), 2);
    assert_ne!(models[0], models[1]);

    // A model that is none: all goes on.
    fs::write(&model, "no model").unwrap();
    station.wait_for("a note", |it| it.text("errors.txt").matches("not changed: ").count() == 2);
    station.photo("photos", 3);
    station.wait_for("four photos", |it| it.events("lids", "judged").len() == 4);
    assert_eq!(running.stop(), Some(0), "{}", station.text("errors.txt"));
    assert_eq!(station.text("lids.csv").lines().count(), 5, "each once");
}

/// A camera: whoever asks gets the next photo, until it is switched off.
struct Camera {
    address: String,
    /// Locked while a photo is given: whoever has it can ask at once whether it counts.
    given: Arc<Mutex<u64>>,
    is_off: Arc<AtomicBool>,
}

impl Camera {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (given, is_off) = (Arc::<Mutex<u64>>::default(), Arc::<AtomicBool>::default());
        let camera = Self { address, given: given.clone(), is_off: is_off.clone() };
        thread::spawn(move || {
            for client in listener.incoming() {
                if !is_off.load(Ordering::SeqCst) {
                    let mut given = given.lock().unwrap();
                    *given += u64::from(give(client.unwrap(), *given).is_ok());
                }
            }
        });
        camera
    }

    fn given(&self) -> u64 {
        *self.given.lock().unwrap()
    }
}

fn give(mut client: TcpStream, seed: u64) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = BufReader::new(client.try_clone()?).take(8192);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if request.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut photo = std::io::Cursor::new(Vec::new());
    part(seed).write_to(&mut photo, ImageFormat::Png).unwrap();
    let photo = photo.into_inner();
    write!(
        client,
        "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        photo.len()
    )?;
    client.write_all(&photo)
}

fn http_line(camera: &Camera, more: &str) -> String {
    format!(
        "[cameras.top]\nkind = \"http\"\nurl = \"http://{}/photo\"\ntrigger = \"interval\"\n\
         interval_ms = 100\nreconnect = {{ first_ms = 100, longest_ms = 200 }}\n\
         [lines.lids]\ncamera = \"top\"\nmodel = \"MODEL\"\nthreshold = -1000\n{more}\n\
         [outputs.table]\nkind = \"csv\"\npath = \"lids.csv\"\nevents = \"all\"\n",
        camera.address
    )
}

#[test]
fn a_camera_that_comes_and_goes_and_a_station_that_is_killed_lose_no_count() {
    let camera = Camera::start();
    let station = Station::new(&http_line(&camera, "rejects = \"rejects\""));
    let running = station.start();
    station.wait_for("photos", |it| it.events("lids", "judged").len() >= 3);
    camera.is_off.store(true, Ordering::SeqCst);
    station.wait_for("the loss", |it| it.events("lids", "lost").len() == 1);
    camera.is_off.store(false, Ordering::SeqCst);
    station.wait_for("the return", |it| it.events("lids", "back").len() == 1);
    running.kill();
    sleep(Duration::from_millis(500));
    let (before, lines) = (camera.given(), station.log("lids").len());
    let running = station.start();
    let judged = station.events("lids", "judged").len();
    station.wait_for("more photos", |it| it.events("lids", "judged").len() >= judged + 3);
    assert_eq!(running.stop(), Some(0), "{}", station.text("errors.txt"));

    // Each photo that the camera gave is judged or counted; what was in a queue when the program was killed
    // can't be.
    let log = station.log("lids");
    log.iter().for_each(|line| assert_follows("watch", line));
    let photos = |line: &Value| match line["event"].as_str().unwrap() {
        "judged" | "failed" => 1,
        "dropped" => line["frames"].as_u64().unwrap(),
        _ => 0,
    };
    let killed =
        |line: &&Value| line["reason"] == "judging ended before their verdicts were in the log";
    let before_the_kill: u64 =
        log[..lines].iter().chain(log.iter().filter(killed)).map(photos).sum();
    assert!(before_the_kill <= before, "{before_the_kill} of {before}");
    let after: u64 = log[lines..].iter().filter(|line| !killed(line)).map(photos).sum();
    assert_eq!(
        after + 1,
        camera.given() - before,
        "the first one only shows that the camera is there: {log:?}"
    );
    let judged = station.events("lids", "judged");
    let mut names: Vec<&str> = judged.iter().map(|line| line["path"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), judged.len(), "each frame has a name of its own");

    // Every line of the log is a row, once; every reject has its picture.
    let rows = station.text("lids.csv");
    let told = ["started", "judged", "failed", "dropped", "lost", "back", "stopped"];
    let lines = log.iter().filter(|line| told.contains(&line["event"].as_str().unwrap()));
    assert_eq!(rows.lines().count() - 1, lines.count(), "{rows}");
    // Half a picture that the kill left has another name.
    let files = fs::read_dir(station.sandbox.path("rejects/top")).unwrap().map(Result::unwrap);
    let pictures =
        files.filter(|file| file.path().extension().is_some_and(|it| it == "png")).count();
    assert_eq!(pictures, station.events("lids", "filed").len());
    assert!(pictures + 1 >= judged.len(), "{pictures} of {}", judged.len());
}

#[test]
fn a_line_that_is_to_stop_without_its_camera_is_halted() {
    let camera = Camera::start();
    let station = Station::new(&http_line(&camera, "fail_safe = \"stop\""));
    let running = station.start();
    station.wait_for("photos", |it| !it.events("lids", "judged").is_empty());
    camera.is_off.store(true, Ordering::SeqCst);
    station.wait_for_note("lids: HALTED");
    station.wait_for("its end", |it| it.events("lids", "stopped").len() == 1);
    camera.is_off.store(false, Ordering::SeqCst);
    let log = station.log("lids");
    sleep(Duration::from_secs(1));
    assert_eq!(station.log("lids").len(), log.len(), "it does not begin by itself");
    assert_eq!(running.stop(), Some(1), "a person has to look");
}
