//! Tries changed files on the project's parsers, and says what none of them may do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Parser;
use efficientad_fuzzing::{Mutator, Target, Trials, target, targets};

/// Tries changed files on the project's parsers. Ends with 1 if one panicked, took more than twice the
/// memory stated, or does not end.
#[derive(Parser)]
#[command(name = "efficientad-fuzzing")]
struct Args {
    /// Parsers; all if none is named.
    targets: Vec<String>,
    /// Says which parsers there are.
    #[arg(long)]
    list: bool,
    /// Writes the files that changes begin with, in a folder for each parser, and nothing else.
    #[arg(long, value_name = "FOLDER")]
    write_seeds: Option<PathBuf>,
    /// Tries this file instead of changed ones.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Files for each parser.
    #[arg(long, default_value_t = 100_000)]
    inputs: u64,
    /// Ends each parser's turn after so many seconds.
    #[arg(long)]
    seconds: Option<f64>,
    /// Another seed gives other files.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Number of the first file.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Where files go that a parser failed on.
    #[arg(long, value_name = "FOLDER", default_value = "target/fuzzing")]
    save: PathBuf,
    /// A file that takes longer is one that does not end.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    hang: u64,
    /// Prints the number of each file before it is tried: the last one ended the process.
    #[arg(long)]
    announce: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    // The stack of a thread of the program, not the larger one of its first.
    let worker = thread::spawn(move || run(&args));
    worker.join().unwrap_or_else(|_| bail!("the runner itself panicked"))
}

fn run(args: &Args) -> Result<ExitCode> {
    let chosen = chosen(&args.targets)?;
    if args.list {
        chosen.iter().for_each(|target| println!("{:16} {}", target.name, target.parses));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(folder) = &args.write_seeds {
        chosen.iter().try_for_each(|target| write_seeds(target, &folder.join(target.name)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut trials = Trials::new();
    println!(
        "{:16} {:>9} {:>8} {:>9} {:>9} {:>8} {:>8} {:>10} {:>8}",
        "parser",
        "files",
        "seconds",
        "files/s",
        "taken",
        "caught",
        "findings",
        "slowest ms",
        "peak MiB"
    );
    let mut findings = 0;
    for target in chosen {
        let tally = match &args.file {
            Some(file) => try_one(&mut trials, target, file)?,
            None => try_many(&mut trials, target, args)?,
        };
        println!("{:16} {tally}", target.name);
        findings += tally.findings;
    }
    Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return Ok(targets().collect());
    }
    let find =
        |name: &String| target(name).with_context(|| format!("no parser {name}; see --list"));
    names.iter().map(find).collect()
}

fn write_seeds(target: &Target, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for (number, seed) in (target.seeds)().iter().enumerate() {
        write(&folder.join(number.to_string()), seed)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

/// What became of a parser's files.
#[derive(Default)]
struct Tally {
    files: u64,
    taken: u64,
    caught: usize,
    findings: u64,
    time: Duration,
    slowest: Duration,
    peak: usize,
}

impl Tally {
    /// Tries a file; the finding, if it is one.
    fn add(&mut self, trials: &mut Trials, target: &Target, bytes: &[u8]) -> Option<String> {
        let trial = trials.try_file(target, bytes);
        self.files += 1;
        self.taken += u64::from(trial.is_taken);
        self.caught += trial.caught;
        self.slowest = self.slowest.max(trial.time);
        self.peak = self.peak.max(trial.peak);
        self.findings += u64::from(trial.finding.is_some());
        trial.finding.map(|finding| finding.to_string())
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { files, taken, caught, findings, time, slowest, peak } = self;
        let (seconds, slowest) = (time.as_secs_f64(), slowest.as_secs_f64() * 1e3);
        let (rate, peak) = (*files as f64 / seconds.max(1e-9), *peak as f64 / f64::from(1 << 20));
        write!(
            f,
            "{files:>9} {seconds:>8.1} {rate:>9.0} {taken:>9} {caught:>8} {findings:>8} {slowest:>10.2} {peak:>8.1}"
        )
    }
}

fn try_one(trials: &mut Trials, target: &Target, file: &Path) -> Result<Tally> {
    let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let (mut tally, start) = (Tally::default(), Instant::now());
    if let Some(finding) = tally.add(trials, target, &bytes) {
        println!("{}: {finding}", target.name);
    }
    tally.time = start.elapsed();
    Ok(tally)
}

fn try_many(trials: &mut Trials, target: &'static Target, args: &Args) -> Result<Tally> {
    let mutator = Mutator::new(target, args.seed);
    let (mut tally, start) = (Tally::default(), Instant::now());
    let current = AtomicU64::new(args.first);
    thread::scope(|scope| {
        // Dropped at the end, which ends the watching thread.
        let (_at_work, end) = mpsc::channel::<()>();
        let watched = (&mutator, &current);
        scope.spawn(move || watch(target, args, watched, &end));
        for number in args.first..args.first.saturating_add(args.inputs) {
            if args.seconds.is_some_and(|seconds| start.elapsed().as_secs_f64() > seconds) {
                break;
            }
            current.store(number, Ordering::Relaxed);
            if args.announce {
                eprintln!("{} {number}", target.name);
            }
            let bytes = mutator.file(number);
            if let Some(finding) = tally.add(trials, target, &bytes) {
                let path = save(target, args, number, &bytes)?;
                println!("{}: {finding}; {}", target.name, path.display());
            }
        }
        tally.time = start.elapsed();
        Ok(tally)
    })
}

/// Ends the process when a file takes too long: nothing else ends what does not end.
fn watch(
    target: &Target,
    args: &Args,
    (mutator, current): (&Mutator, &AtomicU64),
    end: &mpsc::Receiver<()>,
) {
    let mut last = None;
    while end.recv_timeout(Duration::from_secs(args.hang)) == Err(RecvTimeoutError::Timeout) {
        let number = current.load(Ordering::Relaxed);
        if last.replace(number) == Some(number) {
            let place = save(target, args, number, &mutator.file(number));
            let place =
                place.map_or_else(|error| error.to_string(), |path| path.display().to_string());
            println!("{}: takes more than {} s; {place}", target.name, args.hang);
            std::process::exit(1);
        }
    }
}

fn save(target: &Target, args: &Args, number: u64, bytes: &[u8]) -> Result<PathBuf> {
    let folder = args.save.join(target.name);
    let path = folder.join(format!("{}-{number}", args.seed));
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    write(&path, bytes)?;
    Ok(path)
}
