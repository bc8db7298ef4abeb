//! Single photos over HTTP.

use std::io::Read as _;
use std::time::Duration;

use super::client::{Client, Limit};
use crate::config::HttpConfig;
use crate::connection::{Connection, Fault, Kind, Payload, RawFrame, Read};
use crate::error::CameraError;
use crate::numbers::Counting;

/// Fetches a photo each time.
pub(crate) struct Snapshots {
    config: HttpConfig,
}

impl Snapshots {
    pub(crate) fn new(config: &HttpConfig) -> Result<Self, CameraError> {
        Ok(Self { config: config.clone() })
    }
}

impl Kind for Snapshots {
    fn connect(&mut self) -> Result<Box<dyn Connection>, Fault> {
        let limit = Limit::Whole(Duration::from_millis(self.config.timeout_ms.into()));
        let client = Client::new(self.config.access(), limit).map_err(Fault::between)?;
        let max_bytes = self.config.max_frame_bytes;
        let mut fetcher = Fetcher { client, max_bytes, is_asked: false };
        match fetcher.fetch() {
            Ok(_) => Ok(Box::new(fetcher)),
            // It is thrown away anyway.
            Err(Fault { reason, .. }) => Err(Fault::between(reason)),
        }
    }

    fn counting(&self) -> Counting {
        Counting::OnAndOn
    }
}

struct Fetcher {
    client: Client,
    max_bytes: u64,
    is_asked: bool,
}

impl Fetcher {
    fn fetch(&mut self) -> Result<Read, Fault> {
        let answer = self.client.get()?;
        let body = answer.into_body();
        let max_bytes = self.max_bytes;
        let too_large = || Read::Broken {
            number: None,
            reason: format!("the photo is larger than max_frame_bytes, {max_bytes} bytes"),
        };
        if body.content_length().is_some_and(|length| length > max_bytes) {
            return Ok(too_large());
        }
        let mut photo = Vec::new();
        let mut reader = body.into_reader().take(max_bytes + 1);
        reader.read_to_end(&mut photo).map_err(|error| {
            Fault::within(format!("the photo was cut after {} bytes ({error})", photo.len()))
        })?;
        if photo.len() as u64 > max_bytes {
            return Ok(too_large());
        }
        Ok(Read::Frame(RawFrame::now(Payload::File(photo))))
    }
}

impl Connection for Fetcher {
    fn read(&mut self, _at_most: Duration) -> Result<Read, Fault> {
        match std::mem::take(&mut self.is_asked) {
            true => self.fetch(),
            false => Ok(Read::Nothing),
        }
    }

    fn gives_when_asked(&self) -> bool {
        true
    }

    fn ask(&mut self) -> Result<(), Fault> {
        self.is_asked = true;
        Ok(())
    }
}
