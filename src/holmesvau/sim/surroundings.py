"""Light, weather and camera of a video by chance, fitting the scene and what is to happen in it."""

from __future__ import annotations

import numpy as np

from holmesvau.sim.world import Light, LightKind, Scene, Sensor, Weather, WeatherKind

_LIGHTS: tuple[LightKind, ...] = ("day", "dusk", "night", "infrared")
_HOURS = {"day": (8, 16), "dusk": (18, 19), "night": (21, 24), "infrared": (0, 5)}


def draw_light(scene: Scene, label: str, rng: np.random.Generator) -> Light:
    """Mostly day; burglars come at night."""
    shares = (0.62, 0.03, 0.1, 0.25) if scene.indoor else (0.5, 0.14, 0.18, 0.18)
    if label == "Burglary":
        shares = (0.15, 0.1, 0.3, 0.45)
    kind = _LIGHTS[int(rng.choice(4, p=shares))]
    return Light(
        kind=kind,
        sun=float(rng.uniform(0.4, 2.9)),
        elevation=float(rng.uniform(0.25, 0.35) if kind == "dusk" else rng.uniform(0.5, 1.1)),
        level=float(rng.uniform(0.9, 1.1)),
    )


def draw_weather(scene: Scene, rng: np.random.Generator) -> Weather:
    """Clear more often than not; none indoors."""
    kinds: tuple[WeatherKind, ...] = ("clear", "overcast", "rain", "snow", "fog")
    kind = "clear" if scene.indoor else kinds[int(rng.choice(5, p=(0.55, 0.2, 0.1, 0.08, 0.07)))]
    return Weather(kind=kind, amount=float(rng.uniform(0.3, 0.7)), wind=float(rng.uniform(0.0, 0.6)))


def draw_sensor(light: Light, rng: np.random.Generator) -> Sensor:
    """A camera of its own: noise, sway, colours, clock and name."""
    low, high = _HOURS[light.kind]
    day, hour = int(rng.integers(1, 29)), int(rng.integers(low, high))
    clock = (
        f"20{int(rng.integers(28, 40))}-{int(rng.integers(1, 13)):02d}-{day:02d}"
        f"T{hour:02d}:{int(rng.integers(60)):02d}:{int(rng.integers(60)):02d}"
    )
    return Sensor(
        noise=float(rng.uniform(0.8, 2.4)),
        softness=float(rng.uniform(0.3, 0.6)),
        vignette=float(rng.uniform(0.1, 0.35)),
        sway=float(rng.uniform(0.2, 0.6)) if rng.random() < 0.3 else 0.0,
        saturation=float(rng.uniform(0.65, 0.95)),
        contrast=float(rng.uniform(0.92, 1.08)),
        clock=clock if rng.random() < 0.8 else "",
        label=f"CAM {int(rng.integers(1, 17)):02d}" if rng.random() < 0.5 else "",
        crf=int(rng.integers(24, 30)),
    )
