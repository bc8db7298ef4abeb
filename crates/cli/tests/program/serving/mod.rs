//! `efficientad serve`, over real sockets.

mod access;
mod client;
mod inspecting;
mod load;
mod models;
mod page;
mod protocol;
mod recording;
mod running;
mod watched;
