//! A camera of the Linux kernel, where there is one.
#![cfg(all(feature = "v4l2", target_os = "linux"))]

mod common;

use std::path::Path;

use common::Line;

/// The camera to try, such as one of v4l2loopback.
const DEVICE: &str = "EFFICIENTAD_V4L2_DEVICE";

#[test]
fn a_camera_gives_frames() {
    let device = std::env::var(DEVICE).unwrap_or_else(|_| "/dev/video0".to_owned());
    if !Path::new(&device).exists() {
        efficientad_testing::not_here(&format!("the kernel has no camera {device} (see {DEVICE})"));
        return;
    }
    let format = std::env::var("EFFICIENTAD_V4L2_FORMAT").unwrap_or_else(|_| "YUYV".to_owned());
    let mut line = Line::open(&format!(
        "kind = \"v4l2\"\ndevice = {device:?}\nformat = {format:?}\nwidth = 640\nheight = 480"
    ));
    line.run_until(|line| line.photos.len() >= 10);
    assert!(line.outages.is_empty() && line.unreadable.is_empty(), "{}", line.summary());
}

#[test]
fn a_file_that_is_no_camera_is_lost() {
    for (device, reason) in [("/dev/no-such-camera", "No such file"), ("/dev/null", "/dev/null")] {
        let mut line = Line::open(&format!("kind = \"v4l2\"\ndevice = {device:?}"));
        line.run_until(|line| !line.outages.is_empty());
        assert!(line.was_lost_for(reason), "{}", line.summary());
    }
}
