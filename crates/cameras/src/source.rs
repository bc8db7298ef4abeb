//! The stream's end of a camera's queue.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use efficientad_stream::{Known, Source, StreamError, Supply};

use crate::connection::Kind;
use crate::error::CameraError;
use crate::queue::{Popped, Queue};
use crate::reader::{Reader, ReaderOptions};

/// How long the end of a camera waits for its thread, so that it can say goodbye to the camera.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a stream may leave a camera alone that has nothing; it is woken before that.
const PAUSE: Duration = Duration::from_secs(1);

/// A camera as a source. When it is dropped, its thread ends.
#[derive(Debug)]
pub(crate) struct CameraSource {
    name: String,
    queue: Arc<Queue>,
    is_closed: bool,
}

impl CameraSource {
    /// Starts the camera's thread.
    ///
    /// # Errors
    /// [`CameraError::Thread`]
    pub(crate) fn start(
        kind: impl Kind + 'static,
        options: ReaderOptions,
    ) -> Result<Self, CameraError> {
        let name = options.name.clone();
        let queue = Arc::new(Queue::new(options.queue));
        let reader = Reader::new(Box::new(kind), Arc::clone(&queue), options);
        let thread = thread::Builder::new().name(format!("camera {name}"));
        thread.spawn(move || reader.run()).map_err(CameraError::Thread)?;
        Ok(Self { name, queue, is_closed: false })
    }
}

impl Source for CameraSource {
    fn next(&mut self, _known: &Known) -> Result<Supply, StreamError> {
        match self.queue.pop() {
            Popped::Supply(supply) => Ok(supply),
            Popped::Nothing => Ok(Supply::Nothing { until: Some(Instant::now() + PAUSE) }),
            Popped::Ended if self.is_closed => Ok(Supply::End),
            Popped::Ended => {
                let source = io::Error::other("the camera's thread has ended; start again");
                Err(StreamError::Source { name: self.name.clone(), source })
            }
        }
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.queue.close();
        self.queue.wait_for_end(FAREWELL);
    }

    fn wait(&mut self, at_most: Duration) -> bool {
        self.queue.wait(at_most)
    }

    fn repeats(&self) -> bool {
        false
    }
}

impl Drop for CameraSource {
    fn drop(&mut self) {
        self.queue.close();
        self.queue.wait_for_end(FAREWELL);
    }
}
