#!/usr/bin/env bash
# Tests the cameras that need something of the system, against what stands in for a camera there: GenICam against Aravis' own
# GigE camera, also before the whole program, GStreamer against its test pictures and its RTSP server.
#
#     tools/check_cameras.sh           # root installs what is missing from Debian
#
# Ten CPU minutes to build where nothing but the program was built, then two minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

needed=(libaravis-dev libusb-1.0-0-dev aravis-tools libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly gstreamer1.0-libav
    python3-gi gir1.2-gst-rtsp-server-1.0)
if ! dpkg -s "${needed[@]}" > /dev/null 2>&1; then
    apt-get update -q
    apt-get install -y -q --no-install-recommends "${needed[@]}"
fi
export EFFICIENTAD_REQUIRE_TOOLS=1
cargo test --locked --release -p efficientad-cameras --features genicam,gstreamer,v4l2 \
    --test genicam --test gstreamer --test rtsp --test v4l2 "$@"
cargo test --locked --release -p efficientad-cli --features genicam --test program station::genicam "$@"
