//! Outputs against real counterparts.

mod config;
#[cfg(feature = "modbus")]
mod modbus;
#[cfg(feature = "mqtt")]
mod mqtt;
#[cfg(feature = "opcua")]
mod opcua;
mod rig;
mod schema;
#[cfg(all(unix, feature = "serial"))]
mod serial;
mod table;
mod tcp;
mod tools;
#[cfg(feature = "webhook")]
mod webhook;
