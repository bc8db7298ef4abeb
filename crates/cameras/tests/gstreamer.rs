//! GStreamer pipelines with sources of its own.
#![cfg(all(feature = "gstreamer", target_os = "linux"))]

mod common;

use std::time::Duration;

use common::Line;
use efficientad_evaluation::{Frame, Pixels};
use efficientad_images::PixelFormat;

fn open(pipeline: &str, more: &str) -> Line {
    Line::open(&format!(
        "kind = \"gstreamer\"\npipeline = {pipeline:?}\ntimeout_ms = 3000\nreconnect = {{ first_ms = 50, \
         longest_ms = 100 }}\n{more}"
    ))
}

fn pixels(frame: &Frame<'static>) -> Pixels<'static> {
    match frame {
        Frame::Pixels { pixels, .. } => pixels.clone(),
        other => panic!("{other:?}"),
    }
}

const RED: &str = "videotestsrc is-live=true pattern=solid-color foreground-color=0xffff0000 ! \
                   video/x-raw,width=37,height=20,framerate=50/1";

#[test]
fn pixels_are_those_of_the_source_in_every_format() {
    for (format, expected, first) in [
        ("rgb", PixelFormat::Rgb8, &[255, 0, 0][..]),
        ("gray8", PixelFormat::Gray8, &[][..]),
        ("gray16", PixelFormat::Gray16, &[][..]),
    ] {
        let mut line = open(RED, &format!("format = {format:?}"));
        line.run_until(|line| line.photos.len() >= 3);
        let pixels = pixels(&line.frames[0]);
        assert_eq!((pixels.width, pixels.height, pixels.format), (37, 20, expected));
        assert!(pixels.stride >= 37 * expected.bytes(), "rows are filled up to 4 bytes");
        let last_row = &pixels.data[19 * pixels.stride..];
        let differences = last_row.iter().zip(first).map(|(a, b)| a.abs_diff(*b));
        assert!(differences.max().unwrap_or(0) <= 2, "{last_row:?}");
    }
}

#[test]
fn numbered_frames_are_photos_or_counted() {
    let queue = "frame_numbers = true\nqueue = { length = 2 }";
    let mut line = open(RED, queue);
    line.run_until(|line| line.photos.len() >= 5);
    std::thread::sleep(Duration::from_millis(500));
    line.run_until(|line| line.photos.len() >= 20);
    line.check_numbers();
    assert!(line.dropped > 5, "{}", line.summary());
    assert!(line.outages.is_empty(), "{}", line.summary());
}

#[test]
fn pictures_are_passed_through() {
    let mut line = open(&format!("{RED} ! jpegenc"), "format = \"jpeg\"");
    line.run_until(|line| !line.photos.is_empty());
    let Frame::Bytes { bytes, .. } = &line.frames[0] else { panic!() };
    assert_eq!(&bytes[..2], b"\xff\xd8");
}

#[test]
fn a_source_that_ends_or_is_not_there_is_lost() {
    for (pipeline, reason) in [
        ("videotestsrc num-buffers=3", "the pipeline's source has ended"),
        ("nosuchelement", "nosuchelement"),
        ("filesrc location=/no/such/file ! decodebin", "Resource not found"),
        ("videotestsrc ! nosuchcaps!", "pipeline:"),
    ] {
        let mut line = open(pipeline, "");
        line.run_until(|line| !line.outages.is_empty());
        assert!(line.was_lost_for(reason), "{}", line.summary());
    }
}
