use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use super::{
    Common, QueueConfig, ReconnectConfig, TriggerKind, check_max_frame_bytes, check_timeout,
    default_free, default_max_frame_bytes, default_timeout_ms,
};
use crate::error::CameraError;
use crate::http::Password;

/// A photo by HTTP for each shot or in each interval: JPEG, PNG, BMP, TIFF or WebP. Each time the
/// camera is connected anew, one photo is fetched and thrown away: it proves that the address and
/// the password are right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where a photo is fetched: `http://` or `https://`, without name and password.
    pub url: String,
    /// `interval` (the default), `software`, or `free` for one after the other.
    #[serde(default = "default_interval")]
    pub trigger: TriggerKind,
    /// Milliseconds between two photos, with `trigger = "interval"`; from 1. Default 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u32>,
    /// The user's name at the camera. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A file that holds the password, whose last line break is left out; read at each connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The environment variable that holds the password, instead of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// How the password is proven. Default `digest`.
    #[serde(default)]
    pub authentication: Authentication,
    /// Certificates that an `https` camera is trusted by, PEM. No others are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long a photo may take, from connecting to its last byte, in milliseconds. Default 5000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
    /// Most bytes of a photo's file; a larger one is dropped and counted. Default 67108864 (64 MiB).
    #[serde(default = "default_max_frame_bytes")]
    pub max_frame_bytes: u64,
    /// Frames that wait to be judged.
    #[serde(default)]
    pub queue: QueueConfig,
    /// Pauses between attempts to connect.
    #[serde(default)]
    pub reconnect: ReconnectConfig,
}

/// A stream of photos by HTTP, as IP cameras send it (multipart/x-mixed-replace).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MjpegConfig {
    /// Where the stream is: `http://` or `https://`, without name and password.
    pub url: String,
    /// `free` (the default), `interval` or `software`: with the latter two most frames are passed
    /// over, which are not counted as dropped.
    #[serde(default = "default_free")]
    pub trigger: TriggerKind,
    /// Milliseconds between two photos, with `trigger = "interval"`; from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u32>,
    /// A header of each part that numbers the frames, if the camera has one: gaps are then counted.
    /// Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_number_header: Option<String>,
    /// The user's name at the camera. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A file that holds the password, whose last line break is left out; read at each connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The environment variable that holds the password, instead of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// How the password is proven. Default `digest`.
    #[serde(default)]
    pub authentication: Authentication,
    /// Certificates that an `https` camera is trusted by, PEM. No others are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long connecting may take, and how long the next whole frame, in milliseconds; then the
    /// stream counts as stalled and is connected anew. Default 5000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
    /// Most bytes of a frame; after a larger one, which is counted, the stream is connected anew.
    /// Default 67108864 (64 MiB).
    #[serde(default = "default_max_frame_bytes")]
    pub max_frame_bytes: u64,
    /// Frames that wait to be judged.
    #[serde(default)]
    pub queue: QueueConfig,
    /// Pauses between attempts to connect.
    #[serde(default)]
    pub reconnect: ReconnectConfig,
}

/// How a password is proven to a camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// By a digest of it (RFC 7616: SHA-256, or MD5 if the camera has no better).
    #[default]
    Digest,
    /// By the password itself, which anyone on the way can read unless the address is `https`.
    Basic,
}

fn default_interval() -> TriggerKind {
    TriggerKind::Interval
}

/// The fields of an HTTP camera of either kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access<'a> {
    pub url: &'a str,
    pub username: Option<&'a str>,
    pub password_file: Option<&'a Path>,
    pub password_env: Option<&'a str>,
    pub authentication: Authentication,
    pub ca_file: Option<&'a Path>,
}

impl Access<'_> {
    fn check(self) -> Result<(), CameraError> {
        let uri = self.uri()?;
        let is_https = uri.scheme_str() == Some("https");
        match (is_https, self.ca_file) {
            (true, None) => {
                let reason =
                    "is missing; an https camera is trusted by the certificates in it alone";
                return Err(CameraError::field("ca_file", reason));
            }
            (true, Some(path)) => drop(crate::http::read_certificates(path)?),
            (false, Some(_)) => {
                let reason = "only goes with an https url; leave it out, or encrypt";
                return Err(CameraError::field("ca_file", reason));
            }
            (false, None) => {}
        }
        match (self.username, Password::of(self)?) {
            (Some(_), Some(password)) => password.read().map(drop),
            (None, None) => Ok(()),
            (Some(_), None) => Err(CameraError::field(
                "password_file",
                "is missing; a username goes with password_file or password_env",
            )),
            (None, Some(_)) => {
                Err(CameraError::field("username", "is missing, though there is a password"))
            }
        }
    }

    /// The address, if it can be one.
    pub(crate) fn uri(self) -> Result<Uri, CameraError> {
        let refuse = |reason: String| Err(CameraError::field("url", reason));
        let uri: Uri = match self.url.parse() {
            Ok(uri) => uri,
            Err(error) => return refuse(format!("is no address ({error})")),
        };
        let Some(authority) = uri.authority() else {
            return refuse("names no camera; it begins with http:// or https://".to_owned());
        };
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return refuse("begins neither with http:// nor with https://".to_owned());
        }
        if authority.as_str().contains('@') {
            let instead = "use username and password_file, so that no password is in the file";
            return refuse(format!("holds a user's name; {instead}"));
        }
        Ok(uri)
    }
}

macro_rules! http_camera {
    ($config:ty) => {
        impl $config {
            pub(crate) fn access(&self) -> Access<'_> {
                Access {
                    url: &self.url,
                    username: self.username.as_deref(),
                    password_file: self.password_file.as_deref(),
                    password_env: self.password_env.as_deref(),
                    authentication: self.authentication,
                    ca_file: self.ca_file.as_deref(),
                }
            }

            pub(super) fn resolve(&mut self, folder: &Path) {
                for path in [&mut self.password_file, &mut self.ca_file] {
                    *path = path.take().map(|path| folder.join(path));
                }
            }

            pub(super) fn check(&self) -> Result<(), CameraError> {
                self.common().check()?;
                self.common().without_hardware_trigger()?;
                check_timeout(self.timeout_ms)?;
                check_max_frame_bytes(self.max_frame_bytes)?;
                self.access().check()
            }
        }
    };
}

http_camera!(HttpConfig);
http_camera!(MjpegConfig);

impl HttpConfig {
    pub(super) fn common(&self) -> Common {
        let Self { trigger, mut interval_ms, queue, reconnect, .. } = *self;
        if trigger == TriggerKind::Interval {
            interval_ms = interval_ms.or(Some(1000));
        }
        Common { trigger, interval_ms, queue, reconnect }
    }
}

impl MjpegConfig {
    pub(super) fn common(&self) -> Common {
        let Self { trigger, interval_ms, queue, reconnect, .. } = *self;
        Common { trigger, interval_ms, queue, reconnect }
    }
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn refused(more: &str, expected: &str) {
        let text = format!("kind = \"http\"\n{more}");
        let config: crate::CameraConfig = toml::from_str(&text).unwrap();
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
    }

    #[test]
    fn addresses_and_passwords_that_cant_be_right_are_refused() {
        refused("url = \"camera\"", "url: begins neither");
        refused("url = \"/photo\"", "url: names no camera");
        refused("url = \"rtsp://camera/\"", "url: begins neither");
        refused("url = \"http://a b/\"", "url: is no address");
        refused("url = \"http://user@camera/\"", "url: holds a user's name");
        refused("url = \"https://camera/\"", "ca_file: is missing");
        refused("url = \"http://camera/\"\nca_file = \"a\"", "ca_file: only goes with");
        refused(
            "url = \"https://camera/\"\nca_file = \"/no/such\"",
            "ca_file: /no/such: cannot be",
        );
        let with = |more: &str| format!("url = \"http://camera/\"\n{more}");
        refused(&with("username = \"a\""), "password_file: is missing");
        refused(&with("password_env = \"PATH\""), "username: is missing");
        let both = "username = \"a\"\npassword_env = \"PATH\"\npassword_file = \"/p\"";
        refused(&with(both), "password_env: goes instead of password_file");
        let unset = "username = \"a\"\npassword_env = \"EFFICIENTAD_NO_SUCH_VARIABLE\"";
        refused(&with(unset), "EFFICIENTAD_NO_SUCH_VARIABLE");
        refused(
            &with("username = \"a\"\npassword_file = \"/no/such\""),
            "/no/such: cannot be read",
        );
    }
}
