"""Near-duplicates among many texts without comparing all of them: texts that are alike share a band of
hashes.

A text's runs of three words are hashed in `ROWS x BANDS` ways; of each the least is kept (minhash). Texts
with a likeness of .9 share one of the bands with a chance of .998, and are then compared word by word.
"""

from __future__ import annotations

import hashlib

from holmesvau.engine.gates.words import runs

ROWS, BANDS = 4, 6


def bands(text: str) -> list[str]:
    """The bands of a text, each as a short string; none for a text without words."""
    shingles = [" ".join(run).encode() for run in runs(text, 3)]
    if not shingles:
        return []
    digests = [hashlib.blake2b(shingle, digest_size=8 * ROWS * BANDS // 3).digest() for shingle in shingles]
    # Each digest holds all the hashes of a run, 21 bits or more apiece.
    width = len(digests[0]) // (ROWS * BANDS)
    least = [
        min(digest[way * width : (way + 1) * width] for digest in digests) for way in range(ROWS * BANDS)
    ]
    return [
        f"{band}:"
        + hashlib.blake2b(b"".join(least[band * ROWS : (band + 1) * ROWS]), digest_size=8).hexdigest()
        for band in range(BANDS)
    ]
