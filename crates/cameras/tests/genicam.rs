//! GigE Vision against Aravis' fake camera, a process of its own that speaks the real protocol.
#![cfg(all(feature = "genicam", target_os = "linux"))]

mod common;

use std::time::{Duration, Instant};

use common::Line;
use efficientad_evaluation::{Frame, Pixels};
use efficientad_images::{DecodeOptions, PixelFormat};
use efficientad_testing::GigeCamera;

/// How long the camera's frames are counted, in seconds; without it, ten.
const SECONDS: &str = "EFFICIENTAD_CAMERA_SECONDS";

/// Frames small enough for the buffers that the system gives a socket, if the machine is busy.
const SMALL: &str = "region = { width = 256, height = 128 }";

fn open(more: &str) -> Line {
    let device = GigeCamera::DEVICE;
    Line::open(&format!(
        "kind = \"genicam\"\ndevice = {device:?}\ntimeout_ms = 2000\nreconnect = {{ first_ms = \
         100, longest_ms = 500 }}\n{more}"
    ))
}

fn pixels(frame: &Frame<'static>) -> Pixels<'static> {
    match frame {
        Frame::Pixels { pixels, .. } => pixels.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_camera_gives_what_it_is_set_to() {
    let Some(_camera) = GigeCamera::start(&[]) else { return };
    for (format, expected) in [
        ("Mono8", PixelFormat::Gray8),
        ("Mono16", PixelFormat::Gray8),
        ("BayerRG8", PixelFormat::Rgb8),
        ("RGB8", PixelFormat::Rgb8),
    ] {
        let mut line = open(&format!(
            "pixel_format = {format:?}\nframe_rate = 25.0\nexposure_us = 5000.0\nregion = {{ \
             x = 16, y = 8, width = 64, height = 32 }}"
        ));
        line.run_until(|line| line.photos.len() >= 3);
        let pixels = pixels(line.frames.last().unwrap());
        assert_eq!((pixels.width, pixels.height, pixels.format), (64, 32, expected), "{format}");
        let rgb = pixels.view().to_rgb(&DecodeOptions::default()).unwrap();
        let levels: std::collections::BTreeSet<_> = rgb.as_raw().iter().collect();
        assert!(levels.len() > 10, "the fake camera's picture is a slope: {levels:?}");
        assert!(line.outages.is_empty(), "{}", line.summary());
    }
}

#[test]
fn what_a_camera_refuses_is_told_by_name() {
    let Some(_camera) = GigeCamera::start(&[]) else { return };
    for (more, reason) in [
        ("pixel_format = \"Mono3\"", "pixel_format = \"Mono3\": the camera refuses"),
        ("features = { NoSuchFeature = 1 }", "features.NoSuchFeature: the camera refuses"),
        ("gain = 99.0", "gain: the camera refuses"),
        ("exposure_us = 1e12", "exposure_us: the camera refuses"),
        ("region = { width = 100000, height = 8 }", "region: the camera refuses"),
        ("max_frame_bytes = 1000", "more than max_frame_bytes, 1000"),
    ] {
        let mut line = open(more);
        line.run_until(|line| !line.outages.is_empty() || line.photos.len() > 20);
        assert!(line.was_lost_for(reason), "{more}: {}", line.summary());
    }
}

#[test]
fn features_are_set_by_name_and_in_order() {
    let Some(_camera) = GigeCamera::start(&[]) else { return };
    let mut line = open(
        "features = { ExposureTimeAbs = 6000, TriggerActivation = \"RisingEdge\", Width = 128 }",
    );
    line.run_until(|line| !line.photos.is_empty());
    assert_eq!(pixels(&line.frames[0]).width, 128);
    drop(line);
    let mut line = open("features = [{ Width = 256 }, { Width = 96, Height = 48 }]");
    line.run_until(|line| !line.photos.is_empty());
    let pixels = pixels(&line.frames[0]);
    assert_eq!((pixels.width, pixels.height), (96, 48));
}

#[test]
fn a_software_trigger_takes_one_frame_for_each_shot() {
    let Some(_camera) = GigeCamera::start(&[]) else { return };
    let mut line = open(&format!("trigger = \"software\"\n{SMALL}"));
    line.run_for(Duration::from_millis(1500));
    assert!(line.photos.is_empty(), "{}", line.summary());
    for shot in 1..=10 {
        assert!(line.trigger.fire());
        line.run_until(|line| line.photos.len() as u64 + line.dropped == shot);
    }
    line.run_for(Duration::from_millis(500));
    assert_eq!((line.photos.len(), line.dropped), (10, 0), "{}", line.summary());
}

#[test]
fn a_camera_that_is_unplugged_is_lost_and_back() {
    let Some(mut camera) = GigeCamera::start(&[]) else { return };
    let mut line = open(&format!("frame_rate = 20.0\n{SMALL}"));
    line.run_until(|line| line.photos.len() >= 10);
    for outage in 0..2 {
        camera.kill();
        line.run_until(|line| line.outages.len() == 2 * outage + 1);
        camera.start_again();
        let before = line.photos.len();
        line.run_until(|line| line.outages.len() == 2 * outage + 2);
        line.run_until(|line| line.photos.len() >= before + 10);
    }
    assert_eq!([&line.outages[1], &line.outages[3]], ["back", "back"], "{}", line.summary());
}

#[test]
fn packets_that_get_lost_are_asked_for_or_their_frames_counted() {
    // Of so many packets a frame's first is soon among those that are lost.
    for (resend, lost_per_thousand, height) in
        [(true, "10", 128), (false, "20", 128), (false, "200", 4)]
    {
        let Some(_camera) = GigeCamera::start(&["-r", lost_per_thousand]) else { return };
        let mut line = open(&format!(
            "frame_rate = 25.0\npacket_resend = {resend}\npacket_size = 1500\nregion = {{ width = 512, \
             height = {height} }}"
        ));
        line.run_until(|line| line.photos.len() as u64 + line.dropped >= 50);
        let before = line.photos.len();
        line.run_until(|line| line.photos.len() >= before + 2);
        line.check_numbers();
        if !resend {
            assert!(line.dropped > 0, "{}", line.summary());
            assert!(line.reasons.iter().any(|it| it.contains("did not arrive whole")));
        }
    }
}

/// Ten frames per second, of which none is unaccounted for.
#[test]
fn every_frame_is_a_photo_or_counted() {
    let Some(_camera) = GigeCamera::start(&[]) else { return };
    let seconds = std::env::var(SECONDS).map_or(10, |text| text.parse().unwrap());
    let mut line = open(&format!("frame_rate = 10.0\n{SMALL}"));
    line.run_until(|line| !line.photos.is_empty());
    let start = Instant::now();
    line.run_for(Duration::from_secs(seconds));
    let took = start.elapsed().as_secs_f64();
    let photos = line.photos.len();
    line.run_until(|line| line.photos.len() > photos);
    line.check_numbers();
    let text = format!(
        "{took:.1} s: frames {} to {}, {} photos, {} dropped {:?}, outages {:?}",
        line.photos[0],
        line.photos[photos],
        line.photos.len(),
        line.dropped,
        line.reasons,
        line.outages
    );
    println!("{text}");
    assert!(line.photos.len() as f64 > 5.0 * took, "{text}");
    assert!(line.outages.is_empty(), "{text}");
}
