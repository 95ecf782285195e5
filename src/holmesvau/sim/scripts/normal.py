"""Ordinary life: passing, waiting, talking, shopping, queueing, parking, working, driving through."""

from __future__ import annotations

import math

from holmesvau.sim.scripts.cue import LANES, SHOPS, WALK, Cue, NoRoomError, scene_has_road
from holmesvau.sim.scripts.truth import Happening
from holmesvau.sim.track import Steps
from holmesvau.sim.world import Finish


def passing(cue: Cue) -> Happening:
    """Somebody walks through the picture."""
    routes = [r for r in cue.scene.routes.values() if r.kind == "walk"]
    points = cue.one(routes).points
    if cue.chance(0.5):
        points = points[::-1]
    aside = cue.between(-0.3, 0.3)
    way = [(x, y + aside) for x, y in points]
    walker = cue.person("walker", carries=cue.load())
    speed = cue.between(1.05, 1.6)
    steps = Steps(0.0, *way[0])
    for point in way[1:]:
        cue.walk_to(steps, point, speed=speed)
    track = cue.add("walker", steps, look=walker)
    seen = cue.first_seen(track)
    cue.beat(
        "act", seen, cue.seen_until(track, seen + 0.2), "{walker} walks {at}", "{walker} [walks past|passes by|walks through the picture]",
        "{walker} [strolls|goes] by on foot",
    )  # fmt: skip
    return cue.happening("normal", "")


def waiting(cue: Cue) -> Happening:
    """Somebody waits at a stop, a kerb or a bench."""
    place = cue.place("bench", "kerb", "queue", "seat", "open", "counter")
    waiter = cue.person("waiter", carries=cue.load())
    cue.words["place"] = f"by {place.phrase}"
    seconds = max(3.0, cue.seconds)
    if place.kind in ("bench", "seat"):
        front = (place.x + 0.55 * math.cos(place.heading), place.y + 0.55 * math.sin(place.heading))
        steps = cue.arrive(front, 0.0).set(seat=place.z)
        steps.do("sit_down", 1.2, heading=place.heading)
        steps.x, steps.y = place.xy
        steps.do("sit", seconds, heading=place.heading)
        steps.x, steps.y = front
        steps.do("stand_up", 1.2, heading=place.heading).set()
        cue.words["place"] = f"on {place.phrase}"
        texts = ("{waiter} sits {place}", "{waiter} [sits down and rests|is sitting] {place}")
    else:
        steps = cue.arrive(place.xy, 0.0)
        while steps.t < seconds:
            steps.do(
                cue.one(["stand", "phone", "look_around", "stand"]),
                min(cue.between(2, 6), seconds - steps.t + 0.01),
                heading=place.heading,
            )
        texts = ("{waiter} [waits|stands waiting] {place}", "{waiter} stands {place} and waits")
    end = steps.t
    track = cue.add("waiter", cue.leave(steps, nearest=False), look=waiter)
    cue.busy.append((*place.xy, 0.7))
    cue.beat("approach", cue.seen_from(track, 0.0), 0.0, "{waiter} [comes|walks] into view", weight=0.7)
    cue.beat("act", 0.0, end, *texts, weight=1.6)
    cue.beat("aftermath", end, cue.seen_until(track, end), "{waiter} [walks away|leaves]", weight=0.7)
    return cue.happening("normal", "")


def talking(cue: Cue) -> Happening:
    """Two people meet, talk, and part."""
    a, b = cue.pair(0.95)
    looks = cue.person("one", carries=None, hooded=False), cue.person("other", carries=None, hooded=False)
    one, other = cue.arrive(a, -1.0).until(0.0), cue.arrive(b, 0.0)
    seconds = max(3.0, cue.seconds)
    one.do("talk", seconds, facing=b)
    other.do("talk", seconds, facing=a, offset=0.5)
    cue.beat(
        "act",
        0.0,
        seconds,
        "{one} and {other} [talk|chat] {at}",
        "{one} and {other} stand {at} and talk",
        weight=1.8,
    )
    for role, steps, look in (("one", one, looks[0]), ("other", other, looks[1])):
        track = cue.add(role, cue.leave(steps, nearest=False), look=look)
        if role == "one":
            cue.beat(
                "aftermath",
                seconds,
                cue.seen_until(track, seconds),
                "{one} and {other} part and walk off",
                weight=0.8,
            )
    return cue.happening("normal", "")


def shopping(cue: Cue) -> Happening:
    """A customer takes something from a shelf, queues, pays and leaves; elsewhere somebody looks at what is shown."""
    if cue.scene.name not in (*SHOPS, "street", "living room"):
        raise NoRoomError
    shelf = cue.place("shelf", "window")
    customer = cue.person("customer", carries=None, hooded=False)
    cue.words["place"] = shelf.phrase
    seconds = max(3.0, min(cue.seconds, 25.0))
    steps = cue.arrive(shelf.xy, 0.0).do(
        "browse" if cue.scene.name in SHOPS else "look_around", seconds, heading=shelf.heading
    )
    cue.beat(
        "act",
        0.0,
        seconds,
        "{customer} [looks at|studies] {place}",
        "{customer} stands at {place} and [looks at what is there|takes a look]",
        weight=1.6,
    )
    cue.busy.append((*shelf.xy, 0.7))
    if cue.scene.name in SHOPS:
        steps.hold("item")
        counter = cue.scene.place("counter")
        begun = steps.t
        cue.walk_to(steps, counter.xy)
        cue.beat("act", begun, steps.t, "{customer} carries goods to the counter", weight=1.2)
        begun = steps.t
        steps.do("put_down", 1.4, heading=counter.heading).hold("").do("talk", cue.between(2, 4)).hold(
            "bag"
        ).wait(0.8)
        cue.beat("act", begun, steps.t, "{customer} pays at the counter", weight=1.8)
        cue.busy.append((*counter.xy, 0.7))
    end = steps.t
    track = cue.add("customer", cue.leave(steps), look=customer)
    cue.beat("aftermath", end, cue.seen_until(track, end), "{customer} [leaves|walks away]", weight=0.8)
    return cue.happening("normal", "")


def queueing(cue: Cue) -> Happening:
    """Several people queue one behind the other and move up."""
    head = cue.place("counter", "queue")
    number = int(cue.rng.integers(2, 5))
    turn = head.heading + math.pi
    step = cue.between(3.0, 6.0)
    spots = [(head.x + 0.9 * k * math.cos(turn), head.y + 0.9 * k * math.sin(turn)) for k in range(number)]
    if not all(cue.floor.is_free(s) and cue.floor.in_view(s, 0.02) for s in spots):
        raise NoRoomError
    last = 0.0
    for k in range(number):
        steps = cue.arrive(spots[k], -cue.between(0.5, 1.0) * (number - k))
        steps.until(step, "stand", heading=head.heading)
        for spot in reversed(spots[:k]):
            steps.go(spot, speed=0.9).do("stand", max(0.5, step - 1.0), heading=head.heading)
        steps.do("talk", 1.5, heading=head.heading)
        last = max(last, steps.t)
        cue.add(f"queuer {k}", cue.leave(steps, nearest=False), look=cue.stranger())
    cue.busy.append((*spots[len(spots) // 2], 0.6 + 0.45 * number))
    cue.words["crowd"] = f"{('two', 'three', 'four')[number - 2]} people"
    cue.words["place"] = head.phrase
    cue.beat(
        "act",
        0.0,
        last,
        "{crowd} queue at {place}",
        "{crowd} stand in line at {place}, one behind the other",
        weight=2.0,
    )
    return cue.happening("normal", "")


def driving(cue: Cue) -> Happening:
    """A car drives through."""
    if not scene_has_road(cue.scene):
        raise NoRoomError
    lane = cue.one([r for r in cue.scene.routes.values() if r.kind == "drive"])
    finish, name = cue.paint()
    cue.words["car"] = name
    slow = cue.scene.name in LANES
    steps = (
        Steps(0.0, *lane.points[0])
        .set(lights=float(cue.dark))
        .go(*lane.points[1:], speed=cue.between(3.5, 5) if slow else cue.between(6.5, 9.5))
    )
    track = cue.add("car", steps, kind="car", finish=finish)
    seen = cue.first_seen(track)
    cue.beat(
        "act",
        seen,
        cue.seen_until(track, seen + 0.2),
        "a {car} drives [past|by|through]",
        "a {car} [goes along the lane|passes]",
        weight=0.9,
    )
    return cue.happening("normal", "")


def parking(cue: Cue) -> Happening:
    """A car turns into a bay; the driver walks off."""
    if cue.scene.name != "car park":
        raise NoRoomError
    bay = cue.one([p for p in cue.scene.of_kind("bay") if cue.floor.in_view(p.xy, 0.02)])
    lane = cue.one([r for r in cue.scene.routes.values() if r.kind == "drive"])
    (x0, y), (x1, _) = lane.points
    way = math.copysign(1.0, x1 - x0)
    finish, name = cue.paint()
    cue.words["car"] = name
    turn = (bay.x - way * 2.4, y)
    steps = Steps(0.0, x0, y).set(lights=float(cue.dark)).go(turn, speed=4.0)
    steps.go((bay.x - way * 0.7, y + 0.9), (bay.x, y + 2.4), bay.xy, speed=1.8)
    parked = steps.t
    steps.set(brake=1.0, lights=0.0).until(parked + 600.0)
    track = cue.add("car", steps, kind="car", finish=finish)
    driver = cue.person("driver", hooded=False)
    out = Steps(parked + 1.5, bay.x + 1.25, bay.y - 0.3, heading=0.0).do("stand", 0.8)
    foot = cue.add("driver", cue.leave(out), look=driver)
    cue.beat(
        "act",
        cue.seen_from(track, parked),
        parked,
        "a {car} [parks|turns into a free bay and stops]",
        weight=2.0,
    )
    cue.beat(
        "aftermath",
        parked + 1.5,
        cue.seen_until(foot, parked + 2.0),
        "{driver} gets out of the parked {car} and walks off",
        weight=1.8,
    )
    return cue.happening("normal", "")


def cycling(cue: Cue) -> Happening:
    """A cyclist rides through."""
    ways = [r for r in cue.scene.routes.values() if r.kind == "cycle" and cue.scene.name != "warehouse"]
    points = cue.one(ways).points
    if cue.chance(0.5):
        points = points[::-1]
    rider = cue.person("rider")
    steps = Steps(0.0, *points[0]).go(*points[1:], speed=cue.between(3.5, 5.0), action="ride")
    track = cue.add("bike", steps, kind="bike", finish=Finish(colour=(70, 60, 60), name="grey", rider=rider))
    middle = (track.start + track.end) / 2
    cue.beat(
        "act",
        cue.seen_from(track, middle),
        cue.seen_until(track, middle),
        "{rider} rides past on a bike",
        weight=1.2,
    )
    return cue.happening("normal", "")


def dog_walk(cue: Cue) -> Happening:
    """Somebody walks a dog."""
    if cue.scene.name not in ("street", "crossing", "car park"):
        raise NoRoomError
    points = cue.scene.routes["through"].points
    walker = cue.person("walker", hooded=False)
    speed = cue.between(0.9, 1.2)
    steps = Steps(0.0, *points[0]).go(*points[1:], speed=speed)
    dog = Steps(0.35, points[0][0], points[0][1] - 0.5).go(
        *[(x, y - 0.5) for x, y in points[1:]], speed=speed
    )
    track = cue.add("walker", steps, look=walker)
    cue.add(
        "dog",
        dog,
        kind="dog",
        finish=Finish(colour=(110, 82, 54), name="brown", variant=cue.one(["small", "large"])),
    )
    middle = (track.start + track.end) / 2
    cue.beat(
        "act",
        cue.seen_from(track, middle),
        cue.seen_until(track, middle),
        "{walker} walks a dog {at}",
        "{walker} passes by with a dog",
        weight=1.6,
    )
    return cue.happening("normal", "")


def working(cue: Cue) -> Happening:
    """Somebody carries a box from one rack to another."""
    if cue.scene.name not in ("warehouse", *SHOPS):
        raise NoRoomError
    first, second = cue.place("shelf"), cue.place("shelf", "counter")
    if math.dist(first.xy, second.xy) < 1.5:
        raise NoRoomError
    worker = cue.person("worker", hooded=False)
    cue.words |= {"place": first.phrase, "goal": second.phrase}
    steps = cue.arrive(first.xy, 0.0).do("reach", 1.2, heading=first.heading).hold("box")
    cue.beat("approach", 0.0, steps.t, "{worker} takes a box from {place}")
    begun = steps.t
    cue.walk_to(steps, second.xy, action="carry", speed=1.1)
    steps.do("put_down", 1.4, heading=second.heading).hold("")
    sorting = max(2.0, min(cue.seconds, 20.0))
    cue.beat("act", begun, steps.t, "{worker} [carries a box to|brings a box to] {goal}", weight=1.8)
    begun = steps.t
    steps.do("browse", sorting, heading=second.heading)
    cue.beat("act", begun, steps.t, "{worker} works at {goal}", weight=1.4)
    cue.busy += [(*first.xy, 0.7), (*second.xy, 0.7)]
    end = steps.t
    track = cue.add("worker", cue.leave(steps, nearest=False, speed=WALK), look=worker)
    cue.beat("aftermath", end, cue.seen_until(track, end), "{worker} walks off", weight=0.7)
    return cue.happening("normal", "")
