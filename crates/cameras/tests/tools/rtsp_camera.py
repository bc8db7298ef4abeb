#!/usr/bin/python3
"""An RTSP camera: GStreamer's own server, which sends what a pipeline gives, with `name=pay0` as its last element.

    rtsp_camera.py PORT PIPELINE [USER PASSWORD]

It says `ready` once it listens, or what is missing. Python is Debian's, which the package python3-gi belongs to.
"""
import sys


def missing(what):
    print(what, flush=True)
    sys.exit(1)


try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtsp", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer
except (ImportError, ValueError) as error:
    missing(error)


def login(server, factory, user, password):
    """Lets in that user alone, who proves the password by a digest."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", user)
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role(user, "media.factory.access", True)
    permissions.add_permission_for_role(user, "media.factory.construct", True)
    factory.set_permissions(permissions)


port, pipeline, *user = sys.argv[1:]
Gst.init(None)
try:
    Gst.parse_launch(pipeline)
except GLib.Error as error:
    missing(error.message)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f"( {pipeline} )")
factory.set_shared(True)
if user:
    login(server, factory, *user)
server.get_mount_points().add_factory("/stream", factory)
if not server.attach(None):
    missing(f"port {port} is taken")
print("ready", flush=True)
GLib.MainLoop().run()
