"""Scripts of what people do before the camera: ordinary life, hard negatives and anomalies, each with its truth.

A script takes a `Cue` and returns a `Happening`, or raises `NoRoomError` where the scene has no place for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from holmesvau.sim.scripts import accidents, crime, negatives, normal, violence
from holmesvau.sim.scripts.cue import Cue
from holmesvau.sim.scripts.truth import Happening

Script = Callable[[Cue], Happening]

# In the names of UCF-Crime and XD-Violence (Riot), and Fall.
ANOMALIES: Mapping[str, Script] = MappingProxyType(
    {
        "Abuse": violence.abuse,
        "Arrest": violence.arrest,
        "Arson": crime.arson,
        "Assault": violence.assault,
        "Burglary": crime.burglary,
        "Explosion": accidents.explosion,
        "Fall": accidents.fall,
        "Fighting": violence.fighting,
        "Riot": violence.riot,
        "RoadAccidents": accidents.road_accident,
        "Robbery": violence.robbery,
        "Shooting": violence.shooting,
        "Shoplifting": crime.shoplifting,
        "Stealing": crime.stealing,
        "Vandalism": crime.vandalism,
    }
)
NEGATIVES: Mapping[str, Script] = MappingProxyType(
    {
        "CameraShake": negatives.camera_shake,
        "DroppedBag": negatives.dropped_bag,
        "FastBike": negatives.speeding_off,
        "HandingOver": negatives.handing_over,
        "Hugging": negatives.hugging,
        "Kneeling": negatives.kneeling,
        "LightChange": negatives.light_change,
        "Patrol": negatives.patrol,
        "PeacefulCrowd": negatives.gathering,
        "Running": negatives.running,
    }
)
NORMAL: Mapping[str, Script] = MappingProxyType(
    {
        "cycling": normal.cycling,
        "dog walk": normal.dog_walk,
        "driving": normal.driving,
        "parking": normal.parking,
        "passing": normal.passing,
        "queueing": normal.queueing,
        "shopping": normal.shopping,
        "talking": normal.talking,
        "waiting": normal.waiting,
        "working": normal.working,
    }
)
# Which anomalies a scene is a usual place for; a script may still find no room in one layout of it.
SUITED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "crossing": (
            "Arrest", "Assault", "Explosion", "Fall", "Fighting", "Riot", "RoadAccidents", "Robbery", "Shooting",
            "Stealing", "Abuse", "Arson",
        ),
        "street": (
            "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fall", "Fighting", "Riot",
            "RoadAccidents", "Robbery", "Shooting", "Stealing", "Vandalism",
        ),
        "car park": (
            "Arrest", "Arson", "Assault", "Explosion", "Fall", "Fighting", "Riot", "RoadAccidents", "Robbery",
            "Shooting", "Stealing", "Vandalism",
        ),
        "shop": ("Arrest", "Assault", "Fall", "Fighting", "Robbery", "Shooting", "Shoplifting", "Abuse"),
        "corridor": ("Abuse", "Arrest", "Assault", "Burglary", "Fall", "Fighting", "Shooting", "Vandalism", "Arson"),
        "platform": (
            "Arrest", "Assault", "Explosion", "Fall", "Fighting", "Riot", "Robbery", "Shooting", "Stealing",
            "Vandalism", "Abuse",
        ),
        "warehouse": ("Arson", "Assault", "Burglary", "Explosion", "Fall", "Fighting", "Shooting", "Arrest"),
        "footage": (
            "Abuse", "Arrest", "Arson", "Assault", "Explosion", "Fall", "Fighting", "Riot", "Robbery", "Shooting",
            "Stealing",
        ),
        "lobby": (
            "Abuse", "Arrest", "Arson", "Assault", "Explosion", "Fall", "Fighting", "Robbery", "Shooting",
            "Stealing", "Vandalism",
        ),
        "alley": (
            "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Explosion", "Fall", "Fighting", "Robbery",
            "Shooting", "Stealing", "Vandalism",
        ),
        "park": (
            "Abuse", "Arrest", "Arson", "Assault", "Explosion", "Fall", "Fighting", "Riot", "Robbery", "Shooting",
            "Stealing", "Vandalism",
        ),
        "office": (
            "Abuse", "Arrest", "Arson", "Assault", "Burglary", "Fall", "Fighting", "Shooting", "Stealing",
            "Vandalism",
        ),
        "supermarket": (
            "Abuse", "Arrest", "Assault", "Fall", "Fighting", "Robbery", "Shooting", "Shoplifting", "Stealing",
        ),
        "petrol station": (
            "Arrest", "Arson", "Assault", "Explosion", "Fall", "Fighting", "RoadAccidents", "Robbery", "Shooting",
            "Stealing", "Vandalism",
        ),
        "garage": (
            "Abuse", "Arrest", "Arson", "Assault", "Explosion", "Fall", "Fighting", "RoadAccidents", "Robbery",
            "Shooting", "Stealing", "Vandalism",
        ),
        "yard": (
            "Abuse", "Arrest", "Arson", "Assault", "Explosion", "Fall", "Fighting", "Riot", "Robbery", "Shooting",
            "Stealing", "Vandalism",
        ),
        "cafe": (
            "Abuse", "Arrest", "Arson", "Assault", "Fall", "Fighting", "Robbery", "Shooting", "Stealing", "Vandalism",
        ),
        "living room": ("Abuse", "Assault", "Burglary", "Fall", "Fighting", "Arrest", "Shooting", "Arson"),
    }
)  # fmt: skip

__all__ = ["ANOMALIES", "NEGATIVES", "NORMAL", "SUITED", "Cue", "Happening", "Script"]
