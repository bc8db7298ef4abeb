//! Outputs against real counterparts.

mod config;
mod rig;
mod table;
mod tcp;
