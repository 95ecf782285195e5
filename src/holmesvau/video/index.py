"""Where every frame of a file is: presentation order, times and keyframes, read from packets without
decoding.

Shape legend: `T` shown frames, `P` packets in decoding order, `K` keyframes.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from holmesvau.types import FloatArray, IndexArray
from holmesvau.video.session import Session, VideoPacket
from holmesvau.video.slices import is_intra

_NO_TIME = -(1 << 63)


@dataclass(frozen=True, slots=True, eq=False)
class FrameIndex:
    """About 29 bytes a frame.

    `pts[T]` are the shown frames' timestamps in ticks, rising; `position[T]` each frame's place among the
    packets. `packet_pts[P]` are timestamps in decoding order, `sizes[P]` the packets' bytes.
    `key_position[K]` rises; `key_rank[K]` is the keyframe's frame number (frames before the first shown one
    count negatively), `key_seek[K]` the ticks to seek to.
    """

    pts: array[int]
    position: npt.NDArray[np.int32]
    packet_pts: array[int]
    sizes: array[int]
    key_position: IndexArray
    key_rank: IndexArray
    key_seek: IndexArray
    last_duration: int

    def __len__(self) -> int:
        return len(self.pts)

    def ticks(self) -> IndexArray:
        """`pts` as `[T]` int64, not copied."""
        return np.frombuffer(self.pts, dtype=np.int64)

    def keys(self) -> npt.NDArray[np.bool_]:
        """Keyframe flags `[T]`."""
        return np.isin(self.position, self.key_position)


def read_index(session: Session, first_pts: int | None) -> tuple[FrameIndex | None, int]:
    """Read all packets of a freshly opened session. `first_pts` is the first frame that decodes.

    Returns the index and the number of packets. The index is None when packets do not tell where frames are:
    missing or repeated timestamps, or a decoder whose frames do not carry the packets' ones. Such a file must
    be counted.
    """
    packet_pts, sizes, shown = array("q"), array("I"), bytearray()
    key_position, key_seek = array("q"), array("q")
    codec, extradata = session.context.name, session.context.extradata
    usable = True
    last_duration = 0
    for packet in session.packets():
        told = packet.pts
        usable = usable and told is not None
        pts = _NO_TIME if told is None else told
        if packet.is_keyframe and (codec != "h264" or is_intra(bytes(packet), extradata)):
            key_position.append(len(packet_pts))
            key_seek.append(pts if packet.dts is None else packet.dts)
        packet_pts.append(pts)
        sizes.append(packet.size)
        shown.append(not packet.is_discard and _is_shown(packet, codec))
        last_duration = packet.duration or last_duration
    count = len(packet_pts)
    if not usable or first_pts is None or not count:
        return None, count

    ticks = np.frombuffer(packet_pts, dtype=np.int64)
    by_time = np.argsort(ticks, kind="stable").astype(np.int32)
    in_order = ticks[by_time]
    if count > 1 and not (np.diff(in_order) > 0).all():
        return None, count
    keep = np.frombuffer(shown, dtype=np.bool_)[by_time] & (in_order >= first_pts)
    shown_pts = in_order[keep]
    if not len(shown_pts) or shown_pts[0] != first_pts:
        return None, count
    keys = np.frombuffer(key_position, dtype=np.int64)
    return (
        FrameIndex(
            pts=array("q", shown_pts.tobytes()),
            position=by_time[keep],
            packet_pts=packet_pts,
            sizes=sizes,
            key_position=keys,
            key_rank=np.where(ticks[keys] >= first_pts, np.searchsorted(shown_pts, ticks[keys]), -1),
            key_seek=np.frombuffer(key_seek, dtype=np.int64),
            last_duration=last_duration,
        ),
        count,
    )


def _is_shown(packet: VideoPacket, codec: str) -> bool:
    """False for the hidden reference pictures of VP8 and VP9, which have a packet of their own and no
    frame.
    """
    if codec in ("vp8", "libvpx"):
        return bool(memoryview(packet)[0] & 0x10)
    if codec in ("vp9", "libvpx-vp9"):
        data = memoryview(packet)
        superframe = data[-1] & 0xE0 == 0xC0
        existing, visible = data[0] & 0x08, data[0] & 0x02
        return bool(superframe or existing or visible)
    return True


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A stretch to decode in one go: packets `begin` up to and including `end` give the frames `wanted`."""

    begin: int
    end: int
    wanted: IndexArray
    key: int


# Fewer packets than this between two stretches are decoded as well: emptying the decoder costs more.
_GAP = 32


def keyframe_of(index: FrameIndex, wanted: IndexArray) -> IndexArray:
    """Which keyframe each of the frames `wanted` (rising) is decoded from; -1 is the beginning of the file.

    It stands before the frame in both orders: a leading picture of an open group stands before its keyframe
    in presentation and after it in decoding, and needs the group before.
    """
    by_position = np.searchsorted(index.key_position, index.position[wanted], side="right")
    by_time = np.searchsorted(index.key_rank, wanted, side="right")
    key: IndexArray = np.minimum(by_position, by_time) - 1
    return key


def plan(index: FrameIndex, wanted: IndexArray, keys_back: int = 0) -> list[Run]:
    """What to decode for the frames `wanted` (rising), each from its keyframe; `keys_back` starts that many
    keyframes earlier.
    """
    if not len(wanted):
        return []
    end = index.position[wanted].astype(np.int64)
    key = keyframe_of(index, wanted) - keys_back
    begin = np.where(key >= 0, index.key_position[np.maximum(key, 0)] if len(index.key_position) else 0, 0)
    key = np.maximum(key, -1)
    begin = np.minimum.accumulate(begin[::-1])[::-1]
    reach = np.maximum.accumulate(end)
    breaks = np.flatnonzero(begin[1:] > reach[:-1] + _GAP) + 1
    bounds = [0, *breaks.tolist(), len(wanted)]
    return [
        Run(int(begin[a]), int(reach[b - 1]), wanted[a:b], int(key[a:b].min())) for a, b in pairwise(bounds)
    ]


def times(index: FrameIndex, tick_seconds: float) -> FloatArray:
    """Seconds `[T]` since the first shown frame."""
    ticks = index.ticks()
    return (ticks - ticks[0]).astype(np.float64) * tick_seconds
