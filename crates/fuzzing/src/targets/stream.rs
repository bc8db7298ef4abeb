//! The log of `watch`.

use std::path::Path;

use efficientad_stream::Journal;
use efficientad_stream::entry::Entry;

use super::MIB;
use crate::scratch;
use crate::target::{Memory, Target, as_it_is};

/// The parser of logs.
pub(super) const TARGETS: &[Target] = &[Target {
    name: "watch_log",
    parses: "the log that watching goes on with",
    run: |bytes| scratch::with_file("log.jsonl", bytes, replay),
    seeds: || vec![LOG.to_vec(), b"{\"time\":\"2026-11".to_vec(), vec![0; 64]],
    repair: as_it_is,
    tokens: &[
        b"{\"time\":\"2026-11-24T11:00:01Z\",\"event\":\"stopped\"}\n",
        b"\n",
        b"\"event\":\"judged\"",
        b"\"event\":\"failed\"",
        b"\"path_hex\":\"2e2e2f00\"",
        b"\"../../\"",
        b"null",
        b"{",
        b"}",
        b",",
        b"\"",
        b"\\u0000",
        b"1e999",
        b"-9999-01-01T00:00:00Z",
    ],
    memory: Memory { fixed: MIB, per_byte: 64 },
    tried_in_tests: 2000,
}];

/// Reads a log, and the names of the photos in it.
fn replay(path: &Path) -> bool {
    let Ok((mut journal, _)) = Journal::open(path) else { return false };
    let visit = |entry| {
        let photo = match entry {
            Entry::Judged(judged) => judged.photo,
            Entry::Failed(failure) => failure.photo,
            Entry::Filed(filed) => filed.photo,
            Entry::Started(_) | Entry::Drift(_) | Entry::Stopped => return,
            Entry::Dropped(_) | Entry::Lost(_) | Entry::Back => return,
        };
        let _ = (photo.key(), photo.to_path());
    };
    journal.replay(visit).is_ok()
}

/// A line of every kind.
pub(super) const LOG: &[u8] = br#"{"time":"2026-11-24T11:00:00Z","event":"started","program_version":"0.1.0","model":"0123","threshold":0.5,"drift":{"calibration_scores":300,"defect_rate":0.07,"false_alarm_rate":0.01},"engine":{"name":"cpu","device":"avx2","precision":"f32"}}
{"time":"2026-11-24T11:00:01.5Z","event":"judged","path":"a/1.png","bytes":12,"modified":"2026-11-24T11:00:00.000000001Z","score":0.1,"p_value":0.25,"anomalous":true}
{"time":"2026-11-24T11:00:02Z","event":"filed","path":"a/1.png","bytes":12,"modified":"2026-11-24T11:00:00.000000001Z","to":"b/1.png","to_hex":"622f31ff"}
{"time":"2026-11-24T11:00:03Z","event":"failed","path":"a/\ufffd.png","path_hex":"612fff2e706e67","bytes":0,"modified":"1970-01-01T00:00:00Z","reason":"is empty"}
{"time":"2026-11-24T11:00:04Z","event":"drift","direction":"higher","level":0.9,"parts":900,"beyond":120,"explained":0.07,"tested":4000}
{"time":"2026-11-24T11:00:05Z","event":"dropped","frames":3,"reason":"full"}
{"time":"2026-11-24T11:00:06Z","event":"lost","reason":"away"}
{"time":"2026-11-24T11:00:07Z","event":"back"}
{"time":"2026-11-24T11:00:08Z","event":"stopped"}
"#;
