"""GStreamer's RTSP server with one file, at its own speed; the system's Python has its bindings.

python3 rtsp_server.py PORT FILE
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    f'( filesrc location="{sys.argv[2]}" ! qtdemux ! h264parse ! rtph264pay name=pay0 config-interval=1 )'
)
server.get_mount_points().add_factory("/gate", factory)
server.attach(None)
GLib.MainLoop().run()
