//! A connection to a broker, seen from a thread.
//!
//! The client's own memory of what is to be sent again is not used: a connection that is lost is
//! given up with all that was on its way, and a new one begins with the oldest record that was not
//! acknowledged. So the order is kept.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason, PublishProperties, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::outlet::Failure;

/// Messages that may be on their way.
pub(super) const WINDOW: usize = 64;
/// Room for states and births beside them.
const CHANNEL: usize = 2 * WINDOW + 512;
/// How long a broker may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the broker may take to note the farewell.
const FAREWELL: Duration = Duration::from_secs(2);

/// A message.
pub(super) struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: QoS,
    pub retain: bool,
    /// Its media type, if it says one.
    pub content_type: Option<&'static str>,
}

/// What comes from a connection.
enum Heard {
    Connected,
    /// The next of the messages that are answered went out, under this number.
    Sent(u16),
    /// The message of this number is answered; `Err` if it was refused.
    Answered(u16, Result<(), String>),
    /// A message to this side.
    Message(Vec<u8>),
    Lost(String),
}

/// A message on its way that will be answered.
struct InFlight {
    id: Option<u16>,
    /// How many records are delivered with it.
    records: usize,
    is_answered: bool,
}

/// A connection to a broker.
pub(super) struct Link {
    client: AsyncClient,
    heard: Receiver<Heard>,
    task: JoinHandle<()>,
    in_flight: VecDeque<InFlight>,
    acknowledged: usize,
    /// Messages to this side that were not taken yet.
    pub messages: Vec<Vec<u8>>,
}

impl Link {
    /// Connects.
    pub fn open(runtime: &Runtime, mut options: MqttOptions) -> Result<Self, Failure> {
        options.set_clean_start(true);
        options.set_outgoing_inflight_upper_limit(2 * WINDOW as u16);
        options.set_connection_timeout(CONNECT.as_secs());
        let mut network = options.network_options();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, events) = AsyncClient::new(options, CHANNEL);
        let (tell, heard) = mpsc::channel();
        let task = runtime.spawn(listen(events, tell));
        let (in_flight, messages) = (VecDeque::new(), Vec::new());
        let mut link = Self { client, heard, task, in_flight, acknowledged: 0, messages };
        link.wait_for_connection()?;
        Ok(link)
    }

    fn wait_for_connection(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + 2 * CONNECT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(Heard::Connected) => return Ok(()),
                Ok(heard) => self.take(heard)?,
                Err(_) => return Err(Failure::away("the broker does not answer")),
            }
        }
    }

    /// Sends a message. So many records, all that were sent before included, are delivered once it is
    /// answered; messages of quality 0 are not.
    pub fn publish(&mut self, message: Message, records: usize) -> Result<(), Failure> {
        let Message { topic, payload, qos, retain, content_type } = message;
        let content_type = content_type.map(str::to_owned);
        let properties = PublishProperties { content_type, ..Default::default() };
        let sent = self.client.try_publish_with_properties(topic, qos, retain, payload, properties);
        sent.map_err(|_| Failure::away("the broker takes no more messages"))?;
        if qos != QoS::AtMostOnce {
            self.in_flight.push_back(InFlight { id: None, records, is_answered: false });
        }
        Ok(())
    }

    /// Subscribes. A broker answers after it has taken what was sent before.
    pub fn subscribe(&mut self, topic: &str, records: usize) -> Result<(), Failure> {
        let sent = self.client.try_subscribe(topic, QoS::AtLeastOnce);
        sent.map_err(|_| Failure::away("the broker takes no more messages"))?;
        self.in_flight.push_back(InFlight { id: None, records, is_answered: false });
        Ok(())
    }

    /// Whether anything waits for its answer.
    pub fn is_busy(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// How many records more are delivered; waits for one at most so long.
    pub fn acknowledged(&mut self, at_most: Duration) -> Result<usize, Failure> {
        let until = Instant::now() + at_most;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let wait = if self.acknowledged == 0 { left } else { Duration::ZERO };
            match self.heard.recv_timeout(wait) {
                Ok(heard) => self.take(heard)?,
                Err(RecvTimeoutError::Timeout) => {
                    return Ok(std::mem::take(&mut self.acknowledged));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::away("the connection ended"));
                }
            }
        }
    }

    fn take(&mut self, heard: Heard) -> Result<(), Failure> {
        match heard {
            Heard::Connected => {}
            Heard::Sent(id) => {
                if let Some(next) = self.in_flight.iter_mut().find(|message| message.id.is_none()) {
                    next.id = Some(id);
                }
            }
            Heard::Answered(_, Err(refusal)) => {
                return Err(Failure::away(format!("the broker refuses a message: {refusal}")));
            }
            Heard::Answered(id, Ok(())) => {
                let is_it =
                    |message: &&mut InFlight| message.id == Some(id) && !message.is_answered;
                if let Some(message) = self.in_flight.iter_mut().find(is_it) {
                    message.is_answered = true;
                }
                // In order: what was answered early waits for those before it.
                while let Some(first) = self.in_flight.pop_front_if(|first| first.is_answered) {
                    self.acknowledged += first.records;
                }
            }
            Heard::Message(payload) => self.messages.push(payload),
            Heard::Lost(reason) => return Err(Failure::away(reason)),
        }
        Ok(())
    }

    /// Waits until all is answered, then takes its leave.
    pub fn close(mut self) {
        let until = Instant::now() + FAREWELL;
        while self.is_busy() && Instant::now() < until {
            if self.acknowledged(Duration::from_millis(20)).is_err() {
                return;
            }
        }
        let mut is_over = self.client.try_disconnect().is_err();
        while !is_over && Instant::now() < until {
            is_over = self.acknowledged(Duration::from_millis(20)).is_err();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells what happens on a connection, until it is lost.
async fn listen(mut events: EventLoop, tell: Sender<Heard>) {
    loop {
        let heard = match events.poll().await {
            Ok(event) => hear(event),
            Err(error) => Some(Heard::Lost(error.to_string())),
        };
        let is_lost = matches!(heard, Some(Heard::Lost(_)));
        if heard.is_some_and(|heard| tell.send(heard).is_err()) || is_lost {
            return;
        }
    }
}

fn hear(event: Event) -> Option<Heard> {
    Some(match event {
        Event::Outgoing(Outgoing::Publish(id) | Outgoing::Subscribe(id)) if id != 0 => {
            Heard::Sent(id)
        }
        Event::Outgoing(Outgoing::Disconnect) => Heard::Lost("this side took its leave".to_owned()),
        Event::Outgoing(_) => return None,
        Event::Incoming(packet) => match packet {
            Packet::ConnAck(_) => Heard::Connected,
            Packet::PubAck(answer) => {
                let is_taken = matches!(
                    answer.reason,
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers
                );
                let refusal = || format!("{:?}", answer.reason);
                Heard::Answered(answer.pkid, if is_taken { Ok(()) } else { Err(refusal()) })
            }
            Packet::SubAck(answer) => {
                let is_taken = |code: &_| matches!(code, SubscribeReasonCode::Success(_));
                let refusal = || format!("{:?}", answer.return_codes);
                let is_taken = answer.return_codes.iter().all(is_taken);
                Heard::Answered(answer.pkid, if is_taken { Ok(()) } else { Err(refusal()) })
            }
            Packet::Publish(message) => Heard::Message(message.payload.to_vec()),
            _ => return None,
        },
    })
}
