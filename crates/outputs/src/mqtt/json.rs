//! Records as JSON.

use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::QoS;
use serde::Serialize;

use super::level;
use super::link::{Link, Message};
use super::outlet::Dialect;
use crate::outlet::{Failure, Shown};
use crate::record::Record;
use crate::state::{Counters, LineState};

/// The state of a line is sent at most so often.
const STATE_EVERY: Duration = Duration::from_secs(1);

/// The topics of a station.
pub(super) struct Json {
    /// `PREFIX/STATION`
    station: String,
    states: Vec<State>,
}

/// The state of a line, as it was shown and as it was sent.
struct State {
    topic: String,
    shown: Vec<u8>,
    sent: Option<(Instant, Vec<u8>)>,
}

/// How a line is.
#[derive(Serialize)]
struct Payload<'a> {
    station: &'a str,
    line: &'a str,
    ready: bool,
    lost: bool,
    reject: bool,
    #[serde(flatten)]
    counters: Counters,
    last: &'a Option<Record>,
}

impl Json {
    pub fn new(prefix: &str, station: &str) -> Self {
        Self { station: format!("{prefix}/{}", level(station)), states: Vec::new() }
    }

    fn status(&self, status: &str) -> Message {
        Message {
            topic: format!("{}/status", self.station),
            payload: status.into(),
            qos: QoS::AtLeastOnce,
            retain: true,
            content_type: None,
        }
    }

    fn topic(&self, line: &str, last: &str) -> String {
        format!("{}/{}/{last}", self.station, level(line))
    }

    fn send_states(
        &mut self,
        link: &mut Link,
        is_due: impl Fn(Instant) -> bool,
    ) -> Result<(), Failure> {
        for state in &mut self.states {
            let is_sent =
                |(when, sent): &(Instant, Vec<u8>)| *sent == state.shown || !is_due(*when);
            if state.sent.as_ref().is_some_and(is_sent) {
                continue;
            }
            let message = Message {
                topic: state.topic.clone(),
                payload: state.shown.clone(),
                qos: QoS::AtLeastOnce,
                retain: true,
                content_type: Some("application/json"),
            };
            link.publish(message, 0)?;
            state.sent = Some((Instant::now(), state.shown.clone()));
        }
        Ok(())
    }
}

impl Dialect for Json {
    fn will(&mut self) -> Result<Message, Failure> {
        Ok(self.status("offline"))
    }

    fn greet(&mut self, link: &mut Link) -> Result<(), Failure> {
        // A broker that was killed may have lost what it kept.
        self.states.clear();
        link.publish(self.status("online"), 0)
    }

    fn send(&mut self, link: &mut Link, record: &Record, _: &LineState) -> Result<(), Failure> {
        let last = if record.event.is_verdict() { "verdict" } else { "event" };
        let message = Message {
            topic: self.topic(&record.line, last),
            payload: serde_json::to_vec(record).map_err(Failure::away)?,
            qos: QoS::AtLeastOnce,
            retain: false,
            content_type: Some("application/json"),
        };
        link.publish(message, 1)
    }

    fn show(&mut self, link: &mut Link, lines: &[Shown<'_>]) -> Result<(), Failure> {
        if self.states.is_empty() {
            let state = |line: &Shown<'_>| {
                let topic = self.topic(&line.log.line, "state");
                State { topic, shown: Vec::new(), sent: None }
            };
            self.states = lines.iter().map(state).collect();
        }
        for (state, Shown { log, state: now }) in self.states.iter_mut().zip(lines) {
            let payload = Payload {
                station: &log.station,
                line: &log.line,
                ready: now.is_ready(log),
                lost: now.is_lost(),
                reject: now.is_reject(log),
                counters: now.counters,
                last: &now.last,
            };
            state.shown = serde_json::to_vec(&payload).map_err(Failure::away)?;
        }
        self.send_states(link, |sent| sent.elapsed() >= STATE_EVERY)
    }

    fn take_leave(&mut self, link: &mut Link) -> Result<(), Failure> {
        self.send_states(link, |_| true)?;
        link.publish(self.status("offline"), 0)
    }
}
