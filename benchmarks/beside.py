"""What `watch` with the embedded model takes on a machine that has other work, by how torch's threads wait.

    python benchmarks/beside.py VIDEO                one processor-bound process a core beside it, and none
    python benchmarks/beside.py VIDEO --runs 3       medians of three

The video is scanned first, so that what is measured is the model speaking (`timing.generate` of the report):
thousands of small steps, at the end of each of which torch's threads wait for one another. `spins` is the
GOMP_SPINCOUNT: how long a waiting thread of libgomp spins before it sleeps; `ours` is the command as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

POLICIES: dict[str, dict[str, str]] = {
    "libgomp's own (spins 300,000)": {"GOMP_SPINCOUNT": "300000"},
    "spins 20,000": {"GOMP_SPINCOUNT": "20000"},
    "ours (spins 1,000)": {},
    "sleeps at once": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
_SET = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")


def watched(video: Path, folder: Path, policy: dict[str, str]) -> tuple[float, float]:
    """Seconds that the model took to speak, and CPU seconds of the whole command."""
    environment = {name: value for name, value in os.environ.items() if name not in _SET} | policy
    environment["HOLMESVAU_CACHE"] = str(folder / "cache")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "holmesvau", "watch", str(video), "--out", str(folder / "out"), "-q"]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(report["timing"]["generate"]), spent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("--runs", type=int, default=1)
    given = parser.parse_args()
    cores = os.cpu_count() or 1
    print(f"{platform.machine()}, {cores} cores, load {os.getloadavg()[0]:.1f} before; {given.runs} runs\n")
    print("| threads wait by | beside | speaking, s | CPU s of the command |\n|---|---|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        watched(given.video, folder, {"OMP_NUM_THREADS": "1"})
        for beside in (0, cores):
            busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(beside)]
            try:
                time.sleep(1)
                for policy, environment in POLICIES.items():
                    found = [watched(given.video, folder, environment) for _ in range(given.runs)]
                    speaking, spent = (statistics.median(part) for part in zip(*found, strict=True))
                    told = f"{beside} busy processes" if beside else "nothing"
                    print(f"| {policy} | {told} | {speaking:.1f} | {spent:.1f} |", flush=True)
            finally:
                for process in busy:
                    process.kill()


if __name__ == "__main__":
    main()
