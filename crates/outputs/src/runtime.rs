//! The thread of an output that speaks by tokio.

use tokio::runtime::{Builder, Runtime};

use crate::error::OutputError;

/// One thread of that name, beside the publisher's.
pub(crate) fn of_one_thread(name: String) -> Result<Runtime, OutputError> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).thread_name(name).enable_all().build().map_err(OutputError::Thread)
}
