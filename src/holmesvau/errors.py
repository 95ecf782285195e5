"""Errors a user can cause or must act on: each a sentence that says what happened, where, and what to do.

Everything else that is raised is a bug. The command line prints the sentence of a `HolmesError` and ends with
its `exit_code`; a bug ends with a traceback and exit code 1.
"""

from __future__ import annotations


class HolmesError(Exception):
    """Base of all errors with a message meant for people. `exit_code` is what the command line ends with."""

    exit_code = 2


class InputError(HolmesError, ValueError):
    """An argument or option is not usable: the message prints the offending value."""


class ConfigError(InputError):
    """A configuration file or `--set` override has an unknown key or an unusable value."""


class VideoError(HolmesError):
    """A video cannot be opened, read or cut: `camera.mp4: no video stream (1 audio stream found). …`."""


class SourceLostError(VideoError):
    """A camera or stream went silent, hung up or does not answer: connecting again may help."""


class OutputError(HolmesError):
    """A result cannot be written (no permission, full disk): nothing half-written is left behind."""


class ModelError(HolmesError):
    """A checkpoint cannot be used: wrong architecture, missing or damaged file, too little memory."""


class ModelDownError(ModelError):
    """A model that is served elsewhere does not answer now: what needs no words of it can still be done."""


class MissingPartError(HolmesError, ImportError):
    """An optional part is not installed: the message names what to install."""

    exit_code = 3
