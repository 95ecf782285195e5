"""`holmesvau doctor`: what is installed, what works here, and what to do about the rest."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from holmesvau.cli import options

CORE = ("torch", "transformers", "av", "numpy", "onnxruntime", "safetensors", "pydantic")
OPTIONAL = {"peft": "train", "tensorboard": "train", "paho-mqtt": "live"}


def run(as_json: options.AsJson = False) -> None:
    """Check the installation and say what each part can do on this machine."""
    facts = examine()
    if as_json:
        options.print_json(facts)
        return
    for key, value in facts.items():
        sys.stdout.write(f"{key.replace('_', ' '):>18}: {_in_words(value)}\n")


def examine() -> dict[str, Any]:
    """Versions, devices, models and advice."""
    import torch

    import holmesvau
    from holmesvau import registry
    from holmesvau.ats.store import cache_root
    from holmesvau.vlm import tiny

    advice = []
    missing = sorted(name for name in OPTIONAL if _version(name) == "not installed")
    for name in missing:
        advice.append(f"{name} is not installed: pip install 'holmesvau[{OPTIONAL[name]}]'")
    if not tiny.available():
        advice.append(tiny.missing())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "holmesvau": holmesvau.__version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory, 1),
        "cuda": cuda,
        "packages": {name: _version(name) for name in (*CORE, *OPTIONAL)},
        "video_decoders": _decoders(),
        "feature_store": str(cache_root()),
        "encoders": registry.names("encoders"),
        "scorers": registry.names("scorers"),
        "samplers": registry.names("samplers"),
        "models": registry.names("models"),
        "tiny_describes": tiny.available(),
        "advice": advice,
    }


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {text}" for name, text in value.items())
    if isinstance(value, list):
        return "; ".join(value) or "none"
    return str(value)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _decoders() -> list[str]:
    import av

    return [
        name
        for name in ("h264", "hevc", "av1", "libdav1d", "vp9", "mpeg4", "mjpeg")
        if name in av.codecs_available
    ]
