//! Cameras that speak HTTP.

mod client;
mod mjpeg;
mod parts;
mod password;
mod snapshots;

pub(crate) use self::client::read_certificates;
pub(crate) use self::mjpeg::Mjpeg;
pub(crate) use self::parts::{Parts, boundary};
pub(crate) use self::password::Password;
pub(crate) use self::snapshots::Snapshots;
