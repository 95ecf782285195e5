import subprocess
import sys
import time

import pytest

HEAVY = ("torch", "av", "transformers", "pydantic")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_package_loads_neither_torch_nor_av():
    assert run(f"import sys, holmesvau; print([m for m in {HEAVY} if m in sys.modules])") == "[]"


def test_importing_the_package_is_quick():
    def seconds() -> float:
        begun = time.perf_counter()
        run("import holmesvau")
        return time.perf_counter() - begun

    bare = min(_python_start() for _ in range(3))
    assert min(seconds() for _ in range(3)) - bare < 0.3


def _python_start() -> float:
    begun = time.perf_counter()
    run("pass")
    return time.perf_counter() - begun


@pytest.mark.parametrize("name", ["Holmes", "Report", "Span", "open_video", "ats", "vlm", "video", "report"])
def test_public_names_are_there(name):
    import holmesvau

    assert getattr(holmesvau, name) is not None and name in dir(holmesvau)


def test_unknown_name_is_an_attribute_error():
    import holmesvau

    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = holmesvau.nothing_like_it
