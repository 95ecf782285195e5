"""Where pictures come from: a file, an address, a camera; and how opening one fails, in a sentence."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from holmesvau.errors import InputError, VideoError

# Seconds without a sign of life after which a connection is given up, so that nothing hangs on a dead
# address.
OPEN_TIMEOUT = 15.0
READ_TIMEOUT = 15.0

_ADDRESS = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):")
_LIVE_SCHEMES = frozenset(
    {"rtsp", "rtsps", "rtmp", "rtmps", "rtp", "srt", "tcp", "tls", "udp", "unix", "pipe"}
)


@dataclass(frozen=True, slots=True)
class Source:
    """`name` is what messages and reports show (without a password), `address` what libav opens.

    `live` sources are opened once and have no end that is known beforehand; `remote` ones come over a
    network.
    """

    name: str
    address: str
    live: bool = False
    remote: bool = False
    demuxer: str | None = None

    @property
    def path(self) -> Path | None:
        """The local file, or None for anything else."""
        return None if self.remote or self.live else Path(self.address)


def locate(source: str | Path) -> Source | Path:
    """A `Source` for files, addresses and devices; a `Path` for a folder of pictures.

    Raises:
        InputError: when `source` is empty or no text or path at all.
        VideoError: when a file is missing or holds nothing.
    """
    if not isinstance(source, str | Path):
        raise InputError(f"{source!r} is not a video: give a path or an address as text.")
    text = str(source)
    if not text or "\0" in text:
        raise InputError(f"{text!r} is not a video: give a path or an address.")
    matched = _ADDRESS.match(text) if isinstance(source, str) else None
    if matched and matched["scheme"].lower() == "file":
        return _local(Path(unquote(urlsplit(text).path)))
    if matched and not Path(text).exists():
        scheme = matched["scheme"].lower()
        return Source(without_password(text), text, live=scheme in _LIVE_SCHEMES, remote=True)
    return _local(Path(text).expanduser())


def _local(path: Path) -> Source | Path:
    try:
        found = path.stat()
    except FileNotFoundError:
        raise VideoError(f"{path}: no such file. Check the path.") from None
    except OSError as error:
        raise VideoError(
            f"{path}: cannot be reached ({error.strerror}). Check the path and your rights to it."
        ) from error
    if stat.S_ISDIR(found.st_mode):
        return path
    if stat.S_ISFIFO(found.st_mode):
        return Source(str(path), str(path), live=True)
    if stat.S_ISCHR(found.st_mode):
        return Source(str(path), str(path), live=True, demuxer="v4l2" if "video" in path.name else None)
    if found.st_size == 0 and stat.S_ISREG(found.st_mode):
        raise VideoError(f"{path}: the file is empty (0 bytes). Copy or record it again.")
    return Source(str(path), str(path.absolute()))


def without_password(address: str) -> str:
    """The address without the password in it, for messages and reports."""
    return re.sub(r"(?<=//)([^/@:]*):[^/@]*@", r"\1:***@", address)


def open_container(source: Source, timeout: tuple[float, float] | None = None) -> InputContainer:
    """Open and probe; the caller closes it.

    `timeout` is how many seconds opening and one read may take, of what is live or remote; `OPEN_TIMEOUT`
    and `READ_TIMEOUT` when None.

    Raises:
        VideoError: with what is wrong and what to do.
    """
    options = {}
    if source.remote:
        # Over UDP, cameras lose packets and their pictures smear.
        options = {"rtsp_transport": "tcp"}
    # A named pipe waits for its writer for as long as that takes; libav's own time-out covers everything
    # else.
    limits = (timeout or (OPEN_TIMEOUT, READ_TIMEOUT)) if source.remote or source.live else None
    # Without the protocol in front, a name such as `a:b.mp4` or `-` would be taken for an address.
    address = source.address if source.remote else f"file:{source.address}"
    if source.demuxer == "v4l2":
        address = source.address
    try:
        return av.open(
            address,
            mode="r",
            format=source.demuxer,
            options=options,
            timeout=limits,
            metadata_errors="replace",
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VideoError(f"{source.name}: {_why_not_opened(source, error, limits)}") from error


def _why_not_opened(source: Source, error: Exception, limits: tuple[float, float] | None) -> str:
    said = getattr(error, "strerror", None) or str(error)
    if isinstance(error, PermissionError):
        return "no permission to read it. Ask for the right to, or run as a user who has it."
    if isinstance(error, av.error.ExitError | TimeoutError):
        allowed = limits[0] if limits else OPEN_TIMEOUT
        return f"no answer within {allowed:.0f} s. Check the address and that the sender is running."
    if source.remote or source.live:
        return f"cannot be opened ({said}). Check the address and that the sender is running."
    path = Path(source.address)
    if isinstance(error, av.error.InvalidDataError) and _lacks_movie_header(path):
        return (
            "the table of contents of this MP4/MOV file is missing: it was cut off or is still being "
            "written. Copy the whole file again."
        )
    if isinstance(error, av.error.InvalidDataError):
        return "not a video that can be read (text, damaged, or cut off at the start). Give a video file."
    return f"cannot be opened ({said})."


def _lacks_movie_header(path: Path) -> bool:
    """Whether this is an MP4/MOV file without its `moov` box, as interrupted copies and recordings are."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if file.read(8)[4:8] not in (b"ftyp", b"mdat", b"wide", b"free", b"skip"):
                return False
            position = 0
            while position + 8 <= size:
                file.seek(position)
                head = file.read(16)
                length, kind = int.from_bytes(head[:4], "big"), head[4:8]
                if kind == b"moov":
                    return position + length > size
                if length == 1:
                    length = int.from_bytes(head[8:16], "big")
                if length < 8:
                    return True
                position += length
    except OSError:
        return False
    return True


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The first stream of moving pictures; cover art does not count.

    Raises:
        VideoError: when there is none (the message counts the audio streams), or no decoder for it.
    """
    import av.stream

    for stream in container.streams.video:
        if av.stream.Disposition.attached_pic in stream.disposition:
            continue
        if stream.codec_context is None:
            raise VideoError(
                f"{name}: this build of FFmpeg has no decoder for its video. Convert it to H.264."
            )
        if stream.codec_context.name == "":
            raise VideoError(f"{name}: its video codec is unknown. Convert it to H.264.")
        return stream
    audio = len(container.streams.audio)
    found = f"{audio} audio stream{'s' if audio != 1 else ''} found" if audio else "no audio either"
    raise VideoError(f"{name}: no video stream ({found}). Give a file that has pictures.")


def is_endless(source: Source) -> bool:
    """Whether an address has neither a length nor a duration, as a camera behind http has."""
    if not source.remote:
        return False
    with open_container(source) as container:
        return container.duration is None and container.size <= 0
