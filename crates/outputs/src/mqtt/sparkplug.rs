//! Sparkplug B: the station as an edge node, its lines as devices (Eclipse Sparkplug 3.0).
//!
//! Its messages have quality 0, as the specification wants, which nobody answers. So the subscription
//! to commands is renewed behind them: a broker that answers that has taken what was sent before it.

use std::io::{self, Write};
use std::path::PathBuf;

use efficientad_files::write_atomically;
use jiff::Timestamp;
use prost::{Message as _, Oneof};
use rumqttc::v5::mqttbytes::QoS;

use super::level;
use super::link::{Link, Message};
use super::outlet::Dialect;
use crate::outlet::{Failure, Shown};
use crate::record::Record;
use crate::state::{LineLog, LineState};
use crate::tail::read_if_there;

const REBIRTH: &str = "Node Control/Rebirth";

/// `org.eclipse.tahu.protobuf.Payload`, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    /// Milliseconds since 1970, UTC.
    #[prost(uint64, optional, tag = "1")]
    timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    seq: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Metric {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(uint64, optional, tag = "3")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    datatype: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    is_historical: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    is_null: Option<bool>,
    #[prost(oneof = "Value", tags = "11, 12, 13, 14, 15")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Value {
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Boolean(bool),
    #[prost(string, tag = "15")]
    Text(String),
}

/// Types of metrics, by their numbers.
#[derive(Clone, Copy)]
enum DataType {
    UInt64 = 8,
    Float = 9,
    Double = 10,
    Boolean = 11,
    String = 12,
    DateTime = 13,
}

pub(super) struct Sparkplug {
    group: String,
    node: String,
    /// Says how often the node was born.
    births: PathBuf,
    /// Tells the deaths of the node apart.
    birth: u8,
    /// Number of the next message.
    seq: u8,
    /// When the node was born; `None` until it is.
    born: Option<Timestamp>,
    /// Whether each line was ready and lost when it was last shown.
    shown: Vec<(bool, bool)>,
    /// Records that were sent and are not asked for yet.
    unsettled: usize,
}

impl Sparkplug {
    pub fn new(group: &str, station: &str, births: PathBuf) -> Self {
        let (group, node) = (level(group), level(station));
        let (born, shown) = (None, Vec::new());
        Self { group, node, births, birth: 0, seq: 0, born, shown, unsettled: 0 }
    }

    /// The number of this birth, which is one more than that of the last one, from 255 to 0.
    fn count_birth(&self) -> io::Result<u8> {
        let last = read_if_there(&self.births, 16)?;
        let last = last.and_then(|text| str::from_utf8(&text).ok()?.trim().parse::<u8>().ok());
        let birth = last.map_or(0, |last| last.wrapping_add(1));
        let write = |to: &mut io::BufWriter<_>| write!(to, "{birth}");
        write_atomically::<io::Error>(&self.births, write)?;
        Ok(birth)
    }

    fn node_topic(&self, kind: &str) -> String {
        format!("spBv1.0/{}/{kind}/{}", self.group, self.node)
    }

    fn device_topic(&self, kind: &str, line: &str) -> String {
        format!("{}/{}", self.node_topic(kind), level(line))
    }

    /// The metric by which the broker's word of a death is held against the birth.
    fn bd_seq(&self) -> Metric {
        metric("bdSeq", Timestamp::now(), DataType::UInt64, Some(Value::Long(self.birth.into())))
    }

    /// A message of the next number.
    fn message(&mut self, topic: String, metrics: Vec<Metric>) -> Message {
        let seq = Some(self.seq.into());
        self.seq = self.seq.wrapping_add(1);
        let payload = Payload { timestamp: Some(milliseconds(Timestamp::now())), metrics, seq };
        plain(topic, &payload, QoS::AtMostOnce)
    }

    /// Says which metrics there are, and their values.
    fn be_born(&mut self, link: &mut Link, lines: &[Shown<'_>]) -> Result<(), Failure> {
        let now = Timestamp::now();
        self.seq = 0;
        let rebirth = metric(REBIRTH, now, DataType::Boolean, Some(Value::Boolean(false)));
        let metrics = vec![self.bd_seq(), rebirth];
        let birth = self.message(self.node_topic("NBIRTH"), metrics);
        link.publish(birth, 0)?;
        for Shown { log, state } in lines {
            let mut metrics = metrics_of_state(log, state, now);
            metrics.extend(metrics_of_record(state.last.as_ref(), state, now, false));
            let birth = self.message(self.device_topic("DBIRTH", &log.line), metrics);
            link.publish(birth, 0)?;
        }
        self.born = Some(now);
        self.shown = lines.iter().map(shown).collect();
        Ok(())
    }
}

fn shown(line: &Shown<'_>) -> (bool, bool) {
    (line.state.is_ready(line.log), line.state.is_lost())
}

impl Dialect for Sparkplug {
    fn will(&mut self) -> Result<Message, Failure> {
        self.birth = self.count_birth()?;
        self.born = None;
        self.unsettled = 0;
        let metrics = vec![self.bd_seq()];
        let payload =
            Payload { timestamp: Some(milliseconds(Timestamp::now())), metrics, seq: None };
        Ok(plain(self.node_topic("NDEATH"), &payload, QoS::AtLeastOnce))
    }

    fn greet(&mut self, link: &mut Link) -> Result<(), Failure> {
        link.subscribe(&self.node_topic("NCMD"), 0)
    }

    fn send(&mut self, link: &mut Link, record: &Record, state: &LineState) -> Result<(), Failure> {
        let is_old = self.born.is_some_and(|born| record.time < born);
        let metrics = metrics_of_record(Some(record), state, record.time, is_old);
        let data = self.message(self.device_topic("DDATA", &record.line), metrics);
        link.publish(data, 0)?;
        self.unsettled += 1;
        Ok(())
    }

    fn settle(&mut self, link: &mut Link) -> Result<(), Failure> {
        if self.unsettled > 0 && !link.is_busy() {
            let records = std::mem::take(&mut self.unsettled);
            link.subscribe(&self.node_topic("NCMD"), records)?;
        }
        Ok(())
    }

    fn show(&mut self, link: &mut Link, lines: &[Shown<'_>]) -> Result<(), Failure> {
        let commands = std::mem::take(&mut link.messages);
        if self.born.is_none() || commands.iter().any(|command| asks_for_rebirth(command)) {
            return self.be_born(link, lines);
        }
        for (index, line) in lines.iter().enumerate() {
            let now = shown(line);
            if std::mem::replace(&mut self.shown[index], now) != now {
                let metrics = metrics_of_state(line.log, line.state, Timestamp::now());
                let data = self.message(self.device_topic("DDATA", &line.log.line), metrics);
                link.publish(data, 0)?;
            }
        }
        Ok(())
    }

    fn take_leave(&mut self, link: &mut Link) -> Result<(), Failure> {
        let metrics = vec![self.bd_seq()];
        let payload =
            Payload { timestamp: Some(milliseconds(Timestamp::now())), metrics, seq: None };
        link.publish(plain(self.node_topic("NDEATH"), &payload, QoS::AtLeastOnce), 0)
    }
}

fn plain(topic: String, payload: &Payload, qos: QoS) -> Message {
    Message { topic, payload: payload.encode_to_vec(), qos, retain: false, content_type: None }
}

fn asks_for_rebirth(command: &[u8]) -> bool {
    let is_it = |metric: &Metric| {
        metric.name.as_deref() == Some(REBIRTH) && metric.value == Some(Value::Boolean(true))
    };
    Payload::decode(command).is_ok_and(|payload| payload.metrics.iter().any(is_it))
}

fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or_default()
}

fn metric(name: &str, time: Timestamp, datatype: DataType, value: Option<Value>) -> Metric {
    Metric {
        name: Some(name.to_owned()),
        timestamp: Some(milliseconds(time)),
        datatype: Some(datatype as u32),
        is_historical: None,
        is_null: value.is_none().then_some(true),
        value,
    }
}

fn metrics_of_state(log: &LineLog, state: &LineState, time: Timestamp) -> Vec<Metric> {
    let flag = |name, flag| metric(name, time, DataType::Boolean, Some(Value::Boolean(flag)));
    vec![flag("Ready", state.is_ready(log)), flag("Lost", state.is_lost())]
}

/// The metrics of a record, and the counters behind it; of no record those that there will be.
fn metrics_of_record(
    record: Option<&Record>,
    state: &LineState,
    time: Timestamp,
    is_historical: bool,
) -> Vec<Metric> {
    use DataType::{Boolean, DateTime, Double, Float, String, UInt64};
    use Value::Long;
    let text =
        |get: fn(&Record) -> Option<std::string::String>| record.and_then(get).map(Value::Text);
    let time_of = |time: Timestamp| Long(milliseconds(time));
    let counters = &state.counters;
    let fields: [(&str, DataType, Option<Value>); 20] = [
        ("Id", String, text(|record| Some(record.id.clone()))),
        ("Sequence", UInt64, record.map(|record| Long(record.sequence))),
        ("Event", String, text(|record| Some(record.event.name().to_owned()))),
        ("Captured", DateTime, record.and_then(|record| record.captured).map(time_of)),
        ("Photo", String, text(|record| record.photo.clone())),
        ("Verdict", String, text(|record| record.verdict.map(|verdict| verdict.name().to_owned()))),
        ("Reject", Boolean, record.map(|record| Value::Boolean(record.reject))),
        ("Score", Float, record.and_then(|record| record.score).map(Value::Float)),
        ("Threshold", Float, record.and_then(|record| record.threshold).map(Value::Float)),
        ("PValue", Double, record.and_then(|record| record.p_value).map(Value::Double)),
        ("Model", String, text(|record| record.model.clone())),
        ("Late", Boolean, record.map(|record| Value::Boolean(record.late))),
        ("AgeMs", UInt64, record.and_then(|record| record.age_ms).map(Long)),
        ("Frames", UInt64, record.and_then(|record| record.frames).map(Long)),
        ("Reason", String, text(|record| record.reason.clone())),
        ("Counters/Good", UInt64, Some(Long(counters.good))),
        ("Counters/Anomalous", UInt64, Some(Long(counters.anomalous))),
        ("Counters/Failed", UInt64, Some(Long(counters.failed))),
        ("Counters/Undecided", UInt64, Some(Long(counters.undecided))),
        ("Counters/Dropped", UInt64, Some(Long(counters.dropped))),
    ];
    let metrics = fields.map(|(name, datatype, value)| Metric {
        is_historical: is_historical.then_some(true),
        ..metric(name, time, datatype, value)
    });
    metrics.into()
}
