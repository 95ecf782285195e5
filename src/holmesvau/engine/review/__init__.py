"""The review page: a local server on a project's ledger, where people mark events, write and decide.

with open_server(open_project("project")) as server:
    print(server.url)
    server.serve_forever()

It is made of the standard library alone, so that looking over a project needs no more than making one.
"""

from __future__ import annotations

from holmesvau.engine.review.server import PORT, ReviewServer, open_server

__all__ = ["PORT", "ReviewServer", "open_server"]
