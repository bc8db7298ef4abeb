//! What can go wrong in an engine.

use thiserror::Error;

/// An engine could not do what was asked.
#[derive(Debug, Error)]
#[error("{engine}: {reason}")]
pub struct EngineError {
    /// The engine's name, as in [`EngineId::name`](crate::EngineId::name).
    pub engine: String,
    /// What failed, and what helps.
    pub reason: String,
    /// What the engine's library says, if there is one behind it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl EngineError {
    /// An error of an engine's own.
    pub fn new(engine: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { engine: engine.into(), reason: reason.into(), source: None }
    }
}
