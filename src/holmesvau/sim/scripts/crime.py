"""People against property: Burglary, Shoplifting, Stealing, Vandalism, Arson."""

from __future__ import annotations

import math

from holmesvau.sim.looks import CLOTHES
from holmesvau.sim.scripts.cue import SHOPS, WALK, Cue, NoRoomError
from holmesvau.sim.scripts.negatives import BROWN_BAG
from holmesvau.sim.scripts.truth import Happening
from holmesvau.sim.track import Steps, stay
from holmesvau.sim.world import Finish, Held, Look


def burglary(cue: Cue) -> Happening:
    """Somebody forces a door or window, or searches rooms that are not theirs, and leaves with a bag."""
    burglar = cue.person("burglar", person="man", hooded=True, known_as="burglar")
    breaks_in = cue.scene.name in ("street", "corridor", "alley")
    steps, end, told = _broken_into(cue) if breaks_in else _searched(cue)
    gone = cue.seen_until(cue.add("burglar", steps, look=burglar), end)
    cue.beat("aftermath", end, gone, told, told.replace("with a bag", "with a bag in {burglar:his} hand"))
    return cue.happening(
        "anomaly", "Burglary",
        ("{burglar} [takes things|carries things off] from a place that is not {burglar:his} own",
         "[the hood, the sneaking gait and the bag|sneaking, searching and fleeing with a bag] show [an intruder|a break-in], not somebody who belongs there",
         "nobody who is allowed in would [creep up to|search] {place} like this and then run away"),
    )  # fmt: skip


def _broken_into(cue: Cue) -> tuple[Steps, float, str]:
    """A door or window is forced; the steps, when it is done, and the flight told."""
    door = cue.place("door", "window")
    cue.words["place"] = door.phrase
    steps = cue.arrive(door.xy, 0.0, action="sneak", speed=1.1, held="crowbar")
    steps.do("look_around", 1.2)
    start = max(-1.0, cue.seen_from(steps.track(), 0.0))
    cue.beat(
        "approach",
        start,
        1.2,
        "{burglar} [sneaks up to|comes up to] {place} with a crowbar and [looks around|glances about]",
    )
    end = steps.t + cue.seconds
    steps.do("pry", cue.seconds, heading=door.heading)
    cue.beat(
        "act", 1.2, end, "{burglar} [pries at|forces|works at] {place} with a crowbar",
        "{burglar} tries to [break open|force open] {place} with a crowbar",
    )  # fmt: skip
    if door.kind == "window":
        track = stay(end - 0.4, end + 40, *door.xy, z=door.z, heading=door.heading, wall=1.0, size=0.9)
        cue.add("glass", track, kind="glass", layer=0.4)
        steps.do("strike", 1.0, heading=door.heading)
    else:
        steps.do("kick", 1.0, heading=door.heading)
    took = cue.between(0.8, 2.0)
    steps.do("search", took, heading=door.heading)
    cue.beat("act", end, steps.t, "{burglar} [breaks in|forces it open] and [reaches inside|rummages inside]")
    end = steps.t
    cue.flee(steps.hold("bag"))
    told = "{burglar} [runs|flees] {away} with a bag"
    return steps, end, told


def _searched(cue: Cue) -> tuple[Steps, float, str]:
    """A room is searched; the steps, when it is done, and the flight told."""
    shelves = [
        p
        for p in cue.scene.places.values()
        if p.kind in ("shelf", "counter") and cue.is_near(p.xy) and cue.is_seen(p.xy)
    ]
    if len(shelves) < 2:
        raise NoRoomError
    order = cue.rng.permutation(len(shelves))[: 2 if cue.seconds < 14 else 3]
    places = [shelves[k] for k in order]
    cue.words["place"] = places[0].phrase
    steps = cue.arrive(places[0].xy, 0.0, action="sneak", speed=1.1, held="torch")
    start = cue.seen_from(steps.track(), 0.0)
    start = max(start, -6.0)
    cue.beat(
        "approach", start, 0.0, "{burglar} [sneaks in|creeps in] with a torch [when nobody is there|while the place is empty]",
        "{burglar} [creeps|sneaks] about {here} with a torch in {burglar:his} hand",
    )  # fmt: skip
    each = cue.seconds / len(places)
    for k, place in enumerate(places):
        begun = steps.t
        if k:
            cue.walk_to(steps, place.xy, action="sneak", speed=1.1)
        steps.do("search", each, heading=place.heading)
        texts: tuple[str, ...]
        if k == 0:
            steps.hold("bag")
            texts = (
                "{burglar} [rummages about|searches for things] at {place}",
                "{burglar} [goes through|ransacks] what is kept at {place}",
            )
        else:
            cue.words[f"place{k}"] = place.phrase
            texts = (
                f"{{burglar}} [goes on to|moves on to] {{place{k}}} and [searches there too|takes things from there]",
            )
        cue.beat("act", begun, steps.t, *texts)
    end = steps.t
    cue.flee(steps)
    told = "{burglar} [hurries|runs] {away} with a bag"
    return steps, end, told


def shoplifting(cue: Cue) -> Happening:
    """A customer hides goods under their clothes and leaves without paying."""
    if cue.scene.name not in SHOPS:
        raise NoRoomError
    # The better seen of two, as the hands tell it all.
    eye = cue.scene.camera
    shelf = max(cue.place("shelf"), cue.place("shelf"), key=lambda p: eye.pixels_per_metre(*p.xy))
    thief = cue.person("thief", carries=cue.one(["", "backpack", "handbag"]), known_as="shoplifter")
    cue.words["place"] = shelf.phrase
    steps = cue.arrive(shelf.xy, -cue.between(2.0, 5.0)).until(-1.5, "browse", heading=shelf.heading)
    steps.do("look_around", max(0.3, -steps.t), heading=shelf.heading)
    cue.beat(
        "approach", -1.4, 0.0, "{thief} stands at {place} and [looks around|glances over the shoulder]",
        "{thief} [checks whether anybody is watching|looks around] at {place}",
    )  # fmt: skip
    times = max(1, round(cue.seconds / 4))
    # Turned half towards the camera, so that what the hands do is seen.
    open_side = math.atan2(eye.y - shelf.y, eye.x - shelf.x) + cue.one([-0.9, 0.9])
    for k in range(times):
        steps.hold("").do("reach", 0.9, heading=shelf.heading).hold("item").do(
            "conceal", 1.6, heading=open_side
        )
        steps.hold("").do("look_around" if k + 1 < times else "stand", max(0.3, cue.seconds / times - 2.5))
    end = steps.t
    many, them = ("several things", "them") if times > 1 else ("something", "it")
    bag = "{thief:his} bag" if thief.carried else "{thief:his} clothes"
    cue.beat(
        "act", 0.0, end, f"{{thief}} takes {many} from {{place}} and [hides {them}|tucks {them} away] in {bag}",
        f"{{thief}} [slips|puts] {many} from {{place}} into {bag}",
    )  # fmt: skip
    cue.leave(steps, speed=1.7)
    gone = cue.seen_until(cue.add("thief", steps, look=thief), end)
    cue.beat(
        "aftermath", end, gone, "{thief} [walks out|leaves the shop] [without paying|without going to the till]",
        "{thief} [passes the till|goes straight out] without paying",
    )  # fmt: skip
    return cue.happening(
        "anomaly", "Shoplifting",
        ("{thief} [conceals goods|hides what was on the shelf] and leaves without paying",
         "a customer carries goods openly to the till, [whereas|while] {thief} [hides them|puts them out of sight] and [looks around|checks for witnesses] first",
         "goods are taken from {place} in secret and never [paid for|brought to the till]"),
    )  # fmt: skip


def stealing(cue: Cue) -> Happening:
    """Somebody takes a bag whose owner is not looking, or snatches it from the owner's hand."""
    thief = cue.person("thief", hooded=cue.chance(0.4), known_as="thief")
    owner = cue.person("owner", hooded=False, known_as="owner")
    if cue.chance(0.5):
        return _snatching(cue, thief, owner)
    a, b = cue.pair(0.75)
    bag_x, bag_y = b[0] + 0.45 * math.copysign(1, b[0] - a[0] + 1e-6) * -1, b[1] - 0.25
    turned = math.atan2(b[1] - a[1], b[0] - a[0])
    wait = cue.arrive(b, -cue.between(5, 9), held="bag")
    wait.do("put_down", 1.4, facing=(bag_x, bag_y)).hold("")
    placed = wait.t - 0.5
    taken = 1.0 + 0.3 * cue.seconds
    wait.until(taken + 0.4, "phone", heading=turned)
    cue.words["bag"] = "bag" if cue.grey else "brown bag"
    cue.add("bag", stay(placed, taken, bag_x, bag_y), kind="bag", finish=BROWN_BAG)
    creep = cue.arrive((bag_x - 0.3 * math.cos(turned), bag_y - 0.35), 0.3, action="walk", speed=1.2)
    cue.beat(
        "approach", max(-2.5, cue.seen_from(creep.track(), 0.3)), 0.3, "{thief} [comes up behind|walks up behind] {owner}, who has put down a {bag}",
    )  # fmt: skip
    creep.until(taken - 0.7, "look_around").do("pick_up", 1.4, facing=(bag_x, bag_y)).hold("bag")
    end = creep.t
    cue.flee(creep)
    cue.beat(
        "act", 0.3, end, "{thief} picks up the {bag} that {owner} has put down",
        "{thief} [waits until|makes sure that] {owner} looks away and takes the {bag} from the ground",
    )  # fmt: skip
    gone = cue.seen_until(cue.add("thief", creep, look=thief), end)
    wait.until(max(wait.t + 0.3, gone), "look_around")
    cue.beat(
        "aftermath",
        end,
        gone,
        "{thief} runs off with the bag, and {owner} [looks around for it|looks around]",
        "{thief} [runs|flees] {away} with the {bag}",
    )
    cue.add("owner", cue.leave(wait, speed=2.0), look=owner)
    return _stolen(cue)


def _snatching(cue: Cue, thief: Look, owner: Look) -> Happening:
    a, b = cue.pair(0.7)
    wait = cue.arrive(b, -cue.between(3, 7), held="bag").until(0.0, cue.one(["stand", "look_around"]))
    grab = cue.arrive(a, 0.0, speed=3.4, action="run")
    cue.beat(
        "approach",
        max(-2.0, cue.seen_from(grab.track(), 0.0)),
        0.0,
        "{thief} runs [up to|towards] {owner}, who is carrying a bag",
    )
    pull = min(cue.seconds, 3.0)
    grab.do("snatch", 0.6, facing=b).do("grapple", pull, facing=b).hold("bag")
    wait.do("grapple", 0.6 + pull, facing=a).hold("").do("stumble", 0.9)
    end = grab.t
    cue.beat(
        "act", 0.0, end, "{thief} [snatches|tears] the bag from the hand of {owner}",
        "{thief} and {owner} [pull at the bag|struggle over the bag] until {thief} gets it",
    )  # fmt: skip
    cue.flee(grab)
    gone = cue.seen_until(cue.add("thief", grab, look=thief), end)
    if cue.chance(0.6):
        cue.flee(wait)
        told = "{thief} runs {away} with the bag, and {owner} [runs after|chases] {thief:him}"
    else:
        wait.until(gone + 1.0, "wave")
        cue.leave(wait)
        told = "{thief} runs {away} with the bag, and {owner} [waves for help|stays behind and waves]"
    cue.beat("aftermath", end, gone, told)
    cue.add("owner", wait, look=owner)
    return _stolen(cue)


def _stolen(cue: Cue) -> Happening:
    return cue.happening(
        "anomaly", "Stealing",
        ("{thief} takes a bag that belongs to {owner} [against the will of its owner|without any right to it]",
         "{thief} [runs away|flees] with the bag [at once|straight away], [as a thief does|which the rightful owner would not do]",
         "{owner} loses {owner:his} property, and the theft is [quick and deliberate|done on purpose]"),
    )  # fmt: skip


def vandalism(cue: Cue) -> Happening:
    """Somebody sprays a wall or smashes a window, a machine or a car."""
    vandal = cue.person("vandal", known_as="vandal", hooded=cue.chance(0.5))
    place = cue.place("wall", "window", "door", "counter", "bin")
    cue.words["place"] = place.phrase
    sprays = place.kind in ("wall", "door") and cue.scene.name not in ("living room",)
    tool: Held = "spray can" if sprays else cue.one(["bat", "crowbar", "stick"])
    steps = cue.arrive(place.xy, 0.0, held=tool)
    start = max(-1.2, cue.seen_from(steps.track(), 0.0))
    steps.do("look_around", cue.between(0.6, 1.5))
    begin = steps.t
    article = f"a {tool}"
    cue.beat(
        "approach",
        start,
        begin,
        f"{{vandal}} [walks up to|comes to] {{place}} with {article} in {{vandal:his}} hand",
    )
    end = begin + max(2.0, cue.seconds)
    steps.do("spray" if sprays else "strike", end - begin, heading=place.heading)
    ahead = 0.42
    x, y = place.x + ahead * math.cos(place.heading), place.y + ahead * math.sin(place.heading)
    if sprays:
        colour = cue.one(["red", "blue", "black", "green"])
        paint = Steps(begin, x, y, heading=place.heading).set(wall=1.0, size=1.3, strength=0.02)
        paint.to_height(place.z).do("stand", 0.05)
        paint.z = place.z
        paint.do("stand", end - begin).set(strength=1.0).do("stand", 40.0)
        cue.add(
            "graffiti", paint, kind="graffiti", finish=Finish(colour=CLOTHES[colour], name=colour), layer=0.3
        )
        done = (
            "{vandal} [sprays|paints] graffiti on {place}",
            "{vandal} [covers {place} with spray paint|is spraying {place} with paint]",
        )
        left = "graffiti on {place}"
    else:
        wall = 1.0 if place.kind in ("window", "door") else 0.0
        broken = stay(
            begin + 0.5,
            end + 40,
            x,
            y,
            z=place.z if wall else 0.02,
            heading=place.heading,
            wall=wall,
            size=0.9,
        )
        cue.add("glass", broken, kind="glass", layer=0.3)
        done = (
            f"{{vandal}} [smashes|beats at|hits] {{place}} with {article}",
            f"{{vandal}} [strikes|hits] {{place}} with {article} [again and again|over and over]",
        )
        left = "splinters by {place}"
    cue.beat("act", begin, end, *done)
    cue.flee(steps.hold(""))
    gone = cue.seen_until(cue.add("vandal", steps, look=vandal), end)
    cue.beat("aftermath", end, gone, f"{{vandal}} runs [off|away] and leaves {left}")
    return cue.happening(
        "anomaly", "Vandalism",
        ("{vandal} [damages|defaces|disfigures] {place} on purpose",
         "{vandal} [damages|spoils] what belongs to others and [runs away|flees] [afterwards|when it is done]",
         "there is no [rightful|sensible] reason to [treat {place} like this|do this to {place}], so it is wilful damage"),
    )  # fmt: skip


def arson(cue: Cue) -> Happening:
    """Somebody pours fuel, sets it on fire and runs."""
    if cue.chance(0.5):
        place = cue.place("bin", "door", "wall", "shelf", "gate", "counter", "seat")
        spot = place.xy
        cue.words["place"] = f"by {place.phrase}"
        x, y = place.x + 0.35 * math.cos(place.heading), place.y + 0.35 * math.sin(place.heading)
    else:
        spot = cue.open_spot(1.0)
        cue.words["place"] = cue.words["at"]
        x, y = spot[0] + 0.6, spot[1] + 0.1
    culprit = cue.person("culprit", hooded=cue.chance(0.5), known_as="arsonist")
    steps = cue.arrive(spot, 0.0, held="jerrycan", speed=WALK)
    pour = cue.between(1.4, 3.0)
    cue.beat(
        "approach", max(-1.5, cue.seen_from(steps.track(), 0.0)), pour,
        "{culprit} [pours fuel from|empties] a jerrycan {place}", "{culprit} comes with a jerrycan and pours fuel {place}",
    )  # fmt: skip
    steps.do("spray", pour, facing=(x, y))
    cue.add(
        "spill",
        Steps(0.4, x, y).set(size=0.7, strength=0.1).wait(pour).set(strength=1.0).wait(cue.seconds + 30),
        kind="spill",
        finish=Finish(colour=(62, 58, 44), name="dark"),
    )
    steps.do("throw", 0.9, facing=(x, y))
    lit = steps.t
    end = lit + max(4.0, cue.seconds)
    full = min(3.0, (end - lit) * 0.4)
    size = cue.between(0.9, 1.2) if cue.scene.indoor else cue.between(1.1, 1.6)
    for kind in ("fire", "smoke"):
        flames = Steps(lit - 0.2, x, y).set(size=size, strength=0.25).wait(full).set(strength=1.0)
        flames.wait(end - lit - full).wait(cue.between(2.0, 6.0)).set(strength=0.0).wait(0.5)
        cue.add(kind, flames, kind=kind)
        burnt = flames.t - 0.5
    cue.flee(steps.hold(""))
    gone = min(cue.seen_until(cue.add("culprit", steps, look=culprit), lit), end)
    cue.beat(
        "act",
        pour,
        gone,
        "{culprit} [sets the fuel on fire|lights the fuel] and runs away",
        "{culprit} sets a fire {place} and runs {away}",
    )
    cue.beat(
        "aftermath", gone, burnt, "[flames rise|a fire burns] {place}, and [dark smoke rises|smoke spreads]",
        "the fire {place} [grows|burns on], with [dark smoke|smoke] above it",
    )  # fmt: skip
    return cue.happening(
        "anomaly", "Arson",
        ("{culprit} [starts a fire on purpose|sets a fire deliberately], as the jerrycan [shows|makes clear]",
         "a fire {place} [endangers people and property|can spread and cost lives]",
         "{culprit} [flees|runs away] from the flames instead of [calling for help|putting them out]"),
    )  # fmt: skip
