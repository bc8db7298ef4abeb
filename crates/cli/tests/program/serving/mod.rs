//! `efficientad serve`, over real sockets.

mod access;
mod client;
mod inspecting;
mod load;
mod models;
mod protocol;
mod running;
