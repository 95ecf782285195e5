"""Hard negatives: what moves or flashes like an anomaly and is none. Their labels name them in the side file."""

from __future__ import annotations

import math

from holmesvau.sim.scripts.cue import RUN, Cue, NoRoomError
from holmesvau.sim.scripts.truth import Happening
from holmesvau.sim.track import Steps, stay
from holmesvau.sim.world import Finish, Jolt, LightChange

# As a bag is drawn in a hand.
BROWN_BAG = Finish(colour=(92, 62, 40), name="brown")


def running(cue: Cue) -> Happening:
    """Somebody runs through the picture to catch a bus or train, or because they are late."""
    start = cue.one(cue.floor.ways_in)
    ends = [end for end in cue.floor.ways_in if math.dist(end, start) > 4.0]
    end = cue.one(ends)
    middle = cue.open_spot(0.5)
    runner = cue.person("runner", carries=None)
    steps = cue.arrive(middle, 0.0, speed=RUN, action="run")
    steps.go(*cue.floor.way(middle, end), speed=RUN, action="run")
    track = cue.add("runner", steps, look=runner)
    why = {"platform": "to catch a train", "street": "to catch a bus", "crossing": "to catch a bus"}.get(
        cue.scene.name, "in a hurry"
    )
    cue.beat(
        "act", cue.seen_from(track, 0.0), cue.seen_until(track, 0.0), f"{{runner}} runs {{at}} {why}",
        f"{{runner}} [rushes past|runs past] {why}", weight=3.0,
    )  # fmt: skip
    return cue.happening("hard negative", "Running")


def hugging(cue: Cue) -> Happening:
    """Two people run up to each other and hug."""
    a, b = cue.pair(0.62)
    looks = cue.person("one", hooded=False), cue.person("other", hooded=False)
    one, other = (
        cue.arrive(a, 0.0, speed=2.6, action="run"),
        cue.arrive(b, cue.between(-5, -2)).until(-0.8, "stand"),
    )
    other.until(0.0, "wave")
    seconds = max(1.5, min(cue.seconds, 6.0))
    one.do("hug", seconds, facing=b)
    other.do("hug", seconds, facing=a)
    talk = cue.between(2.0, 6.0)
    one.do("talk", talk, facing=b)
    other.do("talk", talk, facing=a, offset=0.5)
    cue.beat(
        "act",
        -1.0,
        seconds,
        "{one} runs up to {other}, and they [hug|embrace]",
        "{one} and {other} hug each other [warmly|for a moment] {at}",
        weight=3.0,
    )
    cue.beat("aftermath", seconds, seconds + talk, "{one} and {other} stand {at} and talk", weight=1.5)
    for role, steps, look in (("one", one, looks[0]), ("other", other, looks[1])):
        cue.add(role, cue.leave(steps), look=look)
    return cue.happening("hard negative", "Hugging")


def dropped_bag(cue: Cue) -> Happening:
    """Somebody drops what they carry and picks it up again."""
    spot = cue.open_spot(0.7)
    owner = cue.person("owner")
    steps = cue.arrive(spot, 0.0, held="bag")
    turn = steps.heading or 0.0
    x, y = spot[0] + 0.4 * math.cos(turn), spot[1] + 0.4 * math.sin(turn)
    steps.hold("").do("stumble", 0.9).do("look_around", cue.between(0.5, 1.5))
    lifted = steps.t + 0.7
    steps.do("pick_up", 1.4, facing=(x, y)).hold("bag").wait(0.5)
    end = steps.t
    cue.add("bag", stay(0.15, lifted, x, y), kind="bag", finish=BROWN_BAG)
    cue.beat(
        "act",
        0.0,
        end,
        "{owner} [drops|loses] a bag {at} and [picks it up again|bends down to pick it up]",
        weight=3.0,
    )
    track = cue.add("owner", cue.leave(steps, nearest=False), look=owner)
    cue.beat(
        "aftermath", end, cue.seen_until(track, end), "{owner} walks on with {owner:his} bag", weight=1.5
    )
    return cue.happening("hard negative", "DroppedBag")


def light_change(cue: Cue) -> Happening:
    """The light of the whole picture falls or rises at once."""
    seconds = max(2.0, cue.seconds)
    indoors = cue.scene.indoor
    cue.light_changes.append(
        LightChange(start=0.0, end=seconds, factor=cue.one([0.45, 0.55, 1.35]), fade=0.25 if indoors else 1.0)
    )
    how = "when the lamps are switched" if indoors else "as the light over the place shifts"
    cue.beat(
        "act",
        0.0,
        seconds,
        f"the brightness of the picture changes {how}",
        "the picture changes [suddenly|all at once] in brightness, [and nothing else happens|with no harm done]",
        weight=2.0,
    )
    return cue.happening("hard negative", "LightChange")


def camera_shake(cue: Cue) -> Happening:
    """The camera is shaken by wind, a lorry or a slammed door."""
    seconds = max(1.0, min(cue.seconds, 4.0))
    cue.jolts.append(Jolt(start=0.0, end=seconds, strength=cue.between(3, 8)))
    why = "a slammed door" if cue.scene.indoor else "the wind"
    cue.beat(
        "act",
        0.0,
        seconds,
        f"the camera shakes for a moment, as from {why}",
        "the picture [shakes|trembles] for a moment and [settles again|comes to rest]",
        weight=2.0,
    )
    return cue.happening("hard negative", "CameraShake")


def gathering(cue: Cue) -> Happening:
    """A crowd comes together, talks, perhaps cheers, and parts in peace."""
    x, y = cue.open_spot(1.3)
    number = int(cue.rng.integers(4, 8))
    cue.words["crowd"] = f"{('four', 'five', 'six', 'seven')[number - 4]} people"
    end = max(4.0, cue.seconds)
    cheers = cue.chance(0.4)
    gone = end
    for k in range(number):
        angle = math.tau * k / number
        spot = (x + 1.35 * math.cos(angle), y + 0.75 * math.sin(angle))
        if not cue.floor.is_free(spot):
            continue
        steps = cue.arrive(spot, cue.between(-1.5, 0.5))
        while steps.t < end - 0.4:
            action = cue.one(["talk", "stand", "talk", "cheer" if cheers else "look_around"])
            steps.do(
                action, min(end - steps.t, cue.between(1.5, 4.0)), facing=(x, y), offset=cue.between(0, 1)
            )
        cue.leave(steps, nearest=False)
        gone = max(gone, cue.seen_until(cue.add(f"member {k}", steps, look=cue.stranger()), end))
    how = "talk and cheer" if cheers else "stand together and talk"
    cue.beat(
        "act",
        0.0,
        end,
        f"{{crowd}} gather {{at}}, {how}",
        f"{{crowd}} [meet|come together] {{at}} and {how}",
        weight=3.0,
    )
    cue.beat(
        "aftermath",
        end,
        min(gone, end + 8),
        "the group [breaks up peacefully|parts], and everybody walks off",
        weight=1.5,
    )
    return cue.happening("hard negative", "PeacefulCrowd")


def kneeling(cue: Cue) -> Happening:
    """Somebody kneels down to tie a shoe."""
    spot = cue.open_spot(0.6)
    walker = cue.person("walker")
    steps = cue.arrive(spot, 0.0).do("kneel_down", 0.8)
    seconds = max(2.0, min(cue.seconds, 8.0))
    steps.do("kneel", seconds)
    steps.do("stand", 0.7)
    end = steps.t
    track = cue.add("walker", cue.leave(steps, nearest=False), look=walker)
    cue.beat(
        "act",
        0.0,
        end,
        "{walker} [kneels down to tie a shoe|goes down on one knee and ties a shoe] {at}",
        weight=3.0,
    )
    cue.beat(
        "aftermath", end, cue.seen_until(track, end), "{walker} [gets up and walks on|walks on]", weight=1.5
    )
    return cue.happening("hard negative", "Kneeling")


def handing_over(cue: Cue) -> Happening:
    """Somebody gives a bag to a friend, who walks off with it."""
    a, b = cue.pair(0.8)
    looks = cue.person("giver", hooded=False), cue.person("taker", hooded=False)
    giver, taker = cue.arrive(a, -0.5, held="bag").until(0.0), cue.arrive(b, 0.0)
    talk = max(1.5, min(cue.seconds, 10.0))
    giver.do("talk", talk, facing=b)
    taker.do("talk", talk, facing=a, offset=0.5)
    giver.do("reach", 1.2, facing=b).hold("").do("wave", 1.5, facing=b)
    taker.do("reach", 1.2, facing=a).hold("bag").do("stand", 1.0, facing=a)
    cue.beat("act", 0.0, talk, "{giver} and {taker} [talk|stand talking] {at}", weight=2.0)
    cue.beat("act", talk, giver.t, "{giver} [hands|gives] a bag to {taker} and waves", weight=3.0)
    for role, steps, look in (("giver", giver, looks[0]), ("taker", taker, looks[1])):
        cue.add(role, cue.leave(steps, nearest=False), look=look)
    return cue.happening("hard negative", "HandingOver")


def patrol(cue: Cue) -> Happening:
    """A police officer or a guard walks by and looks around."""
    spot = cue.open_spot(0.6)
    who = cue.person("officer", person="guard" if cue.scene.indoor else "police officer")
    steps = cue.arrive(spot, 0.0, speed=1.2).do("look_around", max(2.0, min(cue.seconds, 8.0)))
    end = steps.t
    track = cue.add("officer", cue.leave(steps, nearest=False, speed=1.2), look=who)
    cue.beat(
        "act",
        cue.seen_from(track, 0.0),
        end,
        "{officer} [walks up and looks around|makes a round and looks about] {at}",
        weight=2.5,
    )
    cue.beat("aftermath", end, cue.seen_until(track, end), "{officer} walks on", weight=1.2)
    return cue.happening("hard negative", "Patrol")


def speeding_off(cue: Cue) -> Happening:
    """A cyclist rides fast past the camera."""
    ways = [r for r in cue.scene.routes.values() if r.kind == "cycle" and cue.scene.name != "warehouse"]
    if not ways:
        raise NoRoomError
    points = cue.one(ways).points
    if cue.chance(0.5):
        points = points[::-1]
    rider = cue.person("rider")
    steps = Steps(-abs(points[0][0]) / 6.5, *points[0]).go(*points[1:], speed=6.5, action="ride")
    track = cue.add("bike", steps, kind="bike", finish=Finish(colour=(60, 62, 70), name="grey", rider=rider))
    cue.beat(
        "act",
        cue.seen_from(track, 0.0),
        cue.seen_until(track, 0.0),
        "{rider} on a bike rides past [quickly|fast]",
        weight=2.0,
    )
    return cue.happening("hard negative", "FastBike")
