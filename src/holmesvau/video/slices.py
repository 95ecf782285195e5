"""Which H.264 packets marked as keyframes are none: those of a stream that is refreshed bit by bit."""

from __future__ import annotations

from collections.abc import Iterator

_PICTURE_SLICES = (1, 5)
_INTRA_SLICES = (2, 7)


def is_intra(data: bytes, extradata: bytes | None) -> bool:
    """Whether an H.264 packet starts with an intra slice; True when it cannot be understood."""
    for unit in _units(data, extradata):
        if unit and unit[0] & 0x1F in _PICTURE_SLICES:
            bits = int.from_bytes(unit[1:9].ljust(8, b"\0"), "big")
            _, position = _exp_golomb(bits, 64)
            slice_type, _ = _exp_golomb(bits, position)
            return slice_type in _INTRA_SLICES
    return True


def _units(data: bytes, extradata: bytes | None) -> Iterator[bytes]:
    """The first bytes of each NAL unit, behind start codes or lengths (`avcC`)."""
    if extradata and extradata[0] == 1 and len(extradata) > 4:
        prefix = (extradata[4] & 3) + 1
        position = 0
        while position + prefix < len(data):
            length = int.from_bytes(data[position : position + prefix], "big")
            position += prefix
            yield data[position : position + 16]
            position += length
        return
    position = data.find(b"\0\0\1")
    while position >= 0:
        yield data[position + 3 : position + 19]
        position = data.find(b"\0\0\1", position + 3)


def _exp_golomb(bits: int, left: int) -> tuple[int, int]:
    """An unsigned Exp-Golomb number from the `left` low bits of `bits`, and how many bits are then left."""
    zeros = 0
    while left > 0 and not bits >> (left - 1) & 1:
        zeros += 1
        left -= 1
    value = bits >> max(0, left - zeros - 1) & ((1 << (zeros + 1)) - 1)
    return value - 1, left - zeros - 1
