"""Explosion, RoadAccidents and a Fall: nobody, or not everybody, means harm."""

from __future__ import annotations

import math

from holmesvau.sim.scripts.cue import LANES, Cue, NoRoomError, scene_has_road
from holmesvau.sim.scripts.floor import Point
from holmesvau.sim.scripts.truth import Happening
from holmesvau.sim.track import Steps
from holmesvau.sim.world import Finish, Jolt, LightChange, Route


def explosion(cue: Cue) -> Happening:
    """Something blows up; people are thrown down or flee; it burns on."""
    x, y = cue.open_spot(1.2)
    if cue.chance(0.4):
        fallback = cue.scene.places.values()
        near = [
            p
            for p in fallback
            if p.kind in ("bin", "gate", "shelf", "bay") and cue.is_near(p.xy) and cue.floor.in_view(p.xy)
        ]
        if near:
            place = cue.one(near)
            x, y = place.xy
            cue.words["place"] = f"by {place.phrase}"
    cue.words.setdefault("place", cue.words["at"])
    size = cue.between(1.1, 1.5) if cue.scene.indoor else cue.between(1.6, 2.3)
    victim = cue.person("victim", known_as="victim")
    runner = cue.person("runner")
    side = 1 if cue.chance(0.5) else -1
    near_spot, far_spot = (x + side * 1.5, y - 0.3), (x - side * 2.2, y + 0.2)
    if not cue.floor.is_free(near_spot) or not cue.floor.in_view(near_spot, 0.03):
        raise NoRoomError
    hurt = cue.arrive(near_spot, cue.between(-8, -3)).until(0.0, cue.one(["stand", "phone", "look_around"]))
    away = math.atan2(near_spot[1] - y, near_spot[0] - x)
    blast = min(4.0, max(2.0, cue.seconds * 0.4))
    hurt.do("fall", 0.9, heading=away).do("writhe", cue.seconds)
    if cue.floor.is_free(far_spot):
        flees = cue.arrive(far_spot, cue.between(-5, -1)).until(0.0, "stand").do("flinch", 0.6)
        cue.add("runner", cue.flee(flees), look=runner)
        told = "{runner} [flees|runs away]"
    else:
        told = "nobody comes to help"
    cue.add("explosion", Steps(0.0, x, y).set(size=size).wait(5.0), kind="explosion")
    end = blast + cue.seconds
    for kind in ("fire", "smoke"):
        burns = Steps(0.3, x, y).set(size=size * 0.75, strength=0.6).wait(1.5).set(strength=1.0)
        burns.until(end - 0.5).set(strength=0.0).wait(0.5)
        cue.add(kind, burns, kind=kind)
    cue.jolts.append(Jolt(start=0.0, end=0.9, strength=cue.between(4, 8)))
    cue.light_changes.append(LightChange(start=0.0, end=0.35, factor=1.5, fade=0.12))
    cue.beat(
        "act", 0.0, blast, "[an explosion goes off|something explodes] {place} and throws {victim} to the ground",
        "[a sudden blast|an explosion] {place} [knocks down|throws over] {victim}",
    )  # fmt: skip
    hurt.until(end + cue.between(1, 4), "lie")
    cue.add("victim", cue.leave(hurt.do("get_up", 2.2), action="stagger", speed=0.9), look=victim)
    cue.beat(
        "aftermath", blast, end, f"fire and smoke [rise|are left] {{place}}, {{victim}} lies on the ground and {told}",
        "{victim} lies on the ground [beside|near] the fire and smoke {place}",
    )  # fmt: skip
    return cue.happening(
        "anomaly", "Explosion",
        ("[a blast|an explosion] of fire and smoke [without warning|out of nowhere] [endangers everybody nearby|can kill those who stand near]",
         "{victim} is [knocked down|thrown to the ground] by the blast [and hurt|and stays down]",
         "nothing {here} [explodes or burns|blows up] in ordinary life, so something [dangerous has happened|has gone badly wrong]"),
    )  # fmt: skip


def road_accident(cue: Cue) -> Happening:
    """A car hits somebody who crosses, or runs into another car or a motorbike."""
    if not scene_has_road(cue.scene):
        raise NoRoomError
    lanes = [
        r
        for r in cue.scene.routes.values()
        if r.kind == "drive" and len(r.points) == 2 and abs(r.points[0][1] - r.points[1][1]) < 1
    ]
    lane = cue.one(lanes)
    (x0, y), (x1, _) = lane.points
    way = math.copysign(1.0, x1 - x0)
    # The place of the impact, and where who is hit comes to lie.
    spots = [
        (x, y)
        for x in (-5.0, -4.0, -3.0, -1.5, 0.0, 1.5, 3.0, 4.0, 5.0)
        if cue.floor.in_view((x, y), 0.15) and cue.floor.in_view((x + way * 4.5, y), 0.06)
    ]
    spot = cue.one(spots)
    finish, name = cue.paint()
    cue.words |= {"car": name, "road": "lane" if cue.scene.name in LANES else "road"}
    speed = cue.between(7.0, 10.0)
    car = Steps(-abs(spot[0] - x0) / speed, x0, y).set(lights=float(cue.dark), damage=0.0)
    car.go((spot[0] - way * 1.9, y), speed=speed)
    hit = car.t
    car.set(damage=0.5, brake=1.0, lights=float(cue.dark)).go((spot[0] + way * 0.6, y), speed=speed * 0.4)
    stands = car.t + max(3.0, cue.seconds)
    kind = cue.one(["person", "person", "motorbike", "car"])
    tell = {"person": _knocked_down, "motorbike": _motorbike_hit, "car": _rear_end}[kind]
    told = tell(cue, lane, spot, way, hit, stands)
    car.until(stands + 30.0)
    cue.add("car", car, kind="car", finish=finish)
    # Traffic keeps clear of the place until the wreck has been cleared away.
    cue.busy.append((*spot, 4.5))
    cue.lingers = 30.0
    cue.beat("approach", max(hit - 1.5, hit - 8.0 / speed), hit, told[0])
    cue.beat("act", hit, hit + 2.0, *told[1])
    cue.beat("aftermath", hit + 2.0, stands, told[2])
    return cue.happening(
        "anomaly", "RoadAccidents",
        (f"[a collision|a crash] between the {{car}} and {told[3]} [can cost lives|can cause serious injuries]",
         "the {car} [stops abruptly|comes to a sudden stop] with the impact, [unlike any car that only drives through|as it never does in ordinary traffic]",
         f"the {{car}} [does not stop in time|brakes too late] and {told[4]}"),
    )  # fmt: skip


Told = tuple[str, tuple[str, ...], str, str, str]


def _knocked_down(cue: Cue, lane: Route, spot: Point, way: float, hit: float, stands: float) -> Told:
    walker = cue.person("walker", known_as="pedestrian")
    y_from = spot[1] - 3.0
    steps = Steps(hit - 3.0 / 1.4, spot[0], y_from).go(spot, speed=1.4)
    steps.go(
        (spot[0] + way * 2.6, spot[1] - 0.2),
        seconds=0.45,
        action="fall_back",
        heading=math.pi if way > 0 else 0.0,
    )
    steps.go(
        (spot[0] + way * 4.2, spot[1] - 0.5), seconds=0.5, action="lie", heading=math.pi if way > 0 else 0.0
    )
    steps.until(stands + 25.0, "writhe")
    cue.add("walker", steps, look=walker)
    return (
        "{walker} [steps onto the {road}|crosses the {road}] in front of a {car}",
        ("the {car} [hits|runs into|knocks down] {walker}, who is [thrown|flung] onto the {road}",),
        "{walker} lies on the {road} in front of the {car}, which has stopped",
        "{walker}",
        "a person is [knocked down|hit]",
    )


def _motorbike_hit(cue: Cue, lane: Route, spot: Point, way: float, hit: float, stands: float) -> Told:
    rider = cue.person("rider", hooded=False, known_as="rider")
    finish = Finish(colour=(40, 40, 46), name="black", rider=rider)
    bike = Steps(hit - 1.6, spot[0] - way * 0.2, spot[1] - 4.2).go(
        (spot[0] + way * 0.3, spot[1]), speed=4.2 / 1.6, action="ride"
    )
    t = bike.t
    cue.add("motorbike", bike, kind="motorbike", finish=finish)
    wreck = Steps(t, spot[0] + way * 0.3, spot[1], heading=math.pi / 2).set(lean=0.2, empty=1.0)
    wreck.go((spot[0] + way * 4.2, spot[1] + 0.3), seconds=0.8, heading=math.pi / 2).set(
        lean=1.5, empty=1.0
    ).until(stands + 25)
    cue.add("wreck", wreck, kind="motorbike", finish=Finish(colour=(40, 40, 46), name="black"))
    thrown = Steps(t, spot[0] + way * 0.6, spot[1] - 0.2, heading=0.0)
    thrown.go((spot[0] + way * 5.0, spot[1] - 0.7), seconds=0.9, action="fall", heading=0.0).until(
        stands + 25, "writhe"
    )
    cue.add("rider", thrown, look=rider)
    return (
        "{rider} on a motorbike [comes onto the {road}|comes from the side] in front of a {car}",
        ("the {car} [crashes into|hits] the motorbike, and {rider} is thrown off",),
        "{rider} lies on the {road} beside the motorbike, and the {car} has stopped",
        "the motorbike",
        "the rider is thrown to the ground",
    )


def _rear_end(cue: Cue, lane: Route, spot: Point, way: float, hit: float, stands: float) -> Told:
    finish, name = cue.paint()
    if name == cue.words["car"]:
        name = f"second {name}"
    cue.words["other"] = name
    x0 = lane.points[0][0]
    ahead = spot[0] + way * 2.3
    steps = Steps(hit - 3.5 - abs(ahead - x0) / 6.0, x0, spot[1]).set(
        lights=float(cue.dark), brake=0.0, damage=0.0
    )
    steps.go((ahead, spot[1]), speed=6.0).set(brake=1.0, lights=float(cue.dark), damage=0.0).until(hit)
    steps.set(brake=1.0, lights=float(cue.dark), damage=0.6).go(
        (ahead + way * 3.3, spot[1]), seconds=0.9
    ).until(stands + 30)
    cue.add("other car", steps, kind="car", finish=finish)
    return (
        "a {car} [drives up fast behind|comes up fast behind] a {other} that [stands|has stopped] in the lane",
        (
            "the {car} [crashes into the back of|runs into the back of] the {other} and [pushes|shoves] it forward",
        ),
        "the two damaged cars stand [still|in the lane]",
        "the {other}",
        "[runs into|hits] the car in front",
    )


def fall(cue: Cue) -> Happening:
    """Somebody walks along, stumbles or collapses, and lies on the floor; another may help."""
    spot = cue.open_spot(1.0)
    walker = cue.person("walker", carries=None)
    steps = cue.arrive(spot, 0.0, speed=cue.between(0.9, 1.4))
    sudden = cue.one(["fall", "fall_back", "collapse"])
    if sudden == "fall":
        steps.do("stumble", 0.5)
    steps.do(sudden, 1.6 if sudden == "collapse" else 0.9)
    down = steps.t
    lying = "lie" if sudden == "fall_back" else "lie_prone"
    end = down + max(2.0, cue.seconds)
    cue.beat(
        "act", 0.0, down, "{walker} [stumbles and falls|falls] to the [ground|floor] {at}" if sudden == "fall"
        else "{walker} [suddenly collapses|collapses] {at}" if sudden == "collapse" else "{walker} [slips and falls backwards|slips and falls on {walker:his} back] {at}",
    )  # fmt: skip
    if cue.seconds > 6 and cue.chance(0.6):
        helper = cue.person("helper", known_as="helper")
        reach = down + cue.seconds * cue.between(0.4, 0.6)
        steps.until(end, lying)
        aid = cue.arrive((spot[0] - 0.8, spot[1] - 0.1), reach, speed=2.2, action="run").do(
            "kneel_down", 0.8, facing=spot
        )
        aid.until(end, "kneel")
        cue.beat(
            "aftermath",
            down,
            reach,
            "{walker} lies on the [ground|floor] [without getting up|and does not get up]",
        )
        cue.beat("aftermath", reach, end + 2.2, "{helper} [runs up|hurries over] and kneels beside {walker}")
        aid.wait(2.2)
        cue.add("helper", cue.leave(aid), look=helper)
    else:
        steps.until(end, cue.one([lying, "writhe"]) if sudden == "fall_back" else lying)
        cue.beat(
            "aftermath",
            down,
            end + 2.2,
            "{walker} lies on the [ground|floor] and [only slowly gets up|gets up with an effort]",
        )
    steps.do("get_up", 2.2)
    cue.add("walker", cue.leave(steps, action="stagger", speed=0.8), look=walker)
    return cue.happening(
        "anomaly", "Fall",
        ("{walker} [goes down suddenly|is suddenly down] and stays on the [ground|floor], [so an injury or illness is likely|which may mean an injury]",
         "people [walk upright|pass on foot] {here}; somebody [lying|down] on the floor [needs help|may need help]",
         "the fall is [sudden and uncontrolled|not a movement that anybody makes on purpose]"),
    )  # fmt: skip
