"""People against people: Fighting, Assault, Abuse, Shooting, Robbery, Riot, and an Arrest."""

from __future__ import annotations

import math

from holmesvau.sim.scripts.cue import RUN, SHOPS, Cue, NoRoomError, scene_has_road
from holmesvau.sim.scripts.floor import Point
from holmesvau.sim.scripts.truth import Happening
from holmesvau.sim.track import Steps, stay
from holmesvau.sim.world import ActorKind, Finish, Held, Look


def fighting(cue: Cue) -> Happening:
    """Two people argue, trade blows, and one goes down or both break off."""
    a, b = cue.pair(0.85)
    looks = cue.person("one", person="man"), cue.person("other", known_as="other fighter")
    one, other = cue.arrive(a, cue.between(-4, -1)), cue.arrive(b, 0.0)
    one.until(0.0, "stand", heading=math.atan2(b[1] - a[1], b[0] - a[0]))
    argue = cue.between(1.5, 3.0)
    one.do("push", argue, facing=b)
    other.do("talk", argue, facing=a)
    cue.beat(
        "approach", 0.0, argue,
        "{one} and {other} [argue|shout at each other|quarrel] {at}, and {one} [shoves|pushes] {other}",
        "{one} [starts|begins] to [push|shove] {other} {at}",
    )  # fmt: skip
    end = argue + cue.seconds
    while one.t < end:
        seconds = min(end - one.t, cue.between(1.0, 2.4))
        hits, takes = cue.one(
            [("punch", "punch"), ("punch", "cower"), ("kick", "push"), ("grapple", "grapple")]
        )
        first, second = (one, other) if cue.chance(0.5) else (other, one)
        first.do(hits, seconds, facing=(second.x, second.y))
        second.do(takes, seconds, facing=(first.x, first.y), offset=0.4)
    cue.beat(
        "act", argue, end,
        "{one} and {other} [punch and kick each other|trade blows|fight with fists and feet] {at}",
        "{one} and {other} [hit each other again and again|wrestle and throw punches] {at}",
        "a fight [is going on|rages] {at}: {one} and {other} [hit and grapple each other|punch and kick]",
    )  # fmt: skip
    if cue.chance(0.6):
        other.do("fall_back", 0.9).do("writhe", cue.between(1.5, 3.5)).do("get_up", 2.2)
        one.wait(cue.between(0.6, 1.2))
        told = "{other} [goes down|falls to the ground], and {one} runs [off|away]"
    else:
        other.do("push", 0.6)
        told = "{one} [breaks off|lets go] and runs [off|away], and {other} [stays behind|is left standing]"
    cue.flee(one)
    gone = cue.seen_until(cue.add("one", one, look=looks[0]), end)
    other.until(gone + 0.5).do("look_around", cue.between(1, 3))
    calm = min(max(gone, other.t - 2.0), gone + 4.0)
    cue.leave(other, action="stagger", speed=0.9)
    cue.add("other", other, look=looks[1])
    cue.beat("aftermath", end, calm, told)
    return cue.happening(
        "anomaly", "Fighting",
        ("{one} and {other} [strike|hit] each other with [force|their fists], which can [injure both of them|cause serious injuries]",
         "[hitting and kicking|blows and kicks] [are violence, not a way|do not belong to the ordinary way] in which people deal with each other {here}",
         "a quarrel between {one} and {other} [turns into|grows into] physical violence [instead of being settled peacefully|within seconds]"),
    )  # fmt: skip


def assault(cue: Cue) -> Happening:
    """Somebody runs up to a person who suspects nothing and beats them down."""
    a, b = cue.pair(0.8)
    armed: Held = cue.one(["", "", "bat", "stick", "bottle"]) if not cue.grey else ""
    attacker = cue.person("attacker", person="man", hooded=cue.chance(0.4), known_as="attacker")
    victim = cue.person("victim", known_as="victim")
    idle = cue.one(["phone", "stand", "look_around"])
    sufferer = cue.arrive(b, cue.between(-9, -4)).until(0.0, idle)
    hitter = cue.arrive(a, 0.0, speed=RUN, action="run", held=armed)
    seen = max(-3.0, cue.seen_from(hitter.track(), 0.0))
    cue.beat(
        "approach",
        seen,
        0.0,
        "{attacker} runs up to {victim} {at}",
        "{attacker} [rushes|charges] at {victim}",
    )
    down = min(cue.seconds * 0.4, cue.between(0.8, 2.5))
    end = max(cue.seconds, down + 1.0)
    hitter.do("strike" if armed else "punch", down, facing=b)
    sufferer.do("cower", down, facing=a).do("fall_back", 0.9).until(end, "writhe")
    hitter.until(end, "strike" if armed else cue.one(["kick", "stomp"]))
    tool = f" with a {armed}" if armed else ""
    cue.beat(
        "act", 0.0, down, f"{{attacker}} [strikes|hits] {{victim}}{tool}, and {{victim}} [cowers|tries to shield the head]",
        f"{{attacker}} [beats|attacks] {{victim}}{tool} {{at}}",
    )  # fmt: skip
    kicks = (
        f"[keeps beating|goes on beating] {{victim:him}}{tool}"
        if armed
        else "[keeps kicking|goes on kicking] {victim:him}"
    )
    cue.beat(
        "act", down, end, f"{{victim}} falls to the ground, and {{attacker}} {kicks}",
        f"{{victim}} lies on the ground, and {{attacker}} {kicks}",
    )  # fmt: skip
    cue.flee(hitter)
    gone = cue.seen_until(cue.add("attacker", hitter, look=attacker), end)
    sufferer.do("lie", max(0.5, gone - end) + cue.between(0.5, 3.0)).do("get_up", 2.2)
    cue.beat(
        "aftermath", end, sufferer.t, "{attacker} runs {away}, and {victim} [is left lying|stays] on the ground",
        "{attacker} [flees|runs away] and leaves {victim} on the ground",
    )  # fmt: skip
    cue.add("victim", cue.leave(sufferer, action="stagger", speed=0.9), look=victim)
    return cue.happening(
        "anomaly", "Assault",
        ("{victim} [did nothing to provoke it|was only standing there] and is attacked [without warning|all of a sudden]",
         "{attacker} [uses violence against|injures] {victim}, who [cannot ward off|does not return] the blows",
         "one person beating another {here} and then running away is [a crime|a violent crime], not a part of everyday life"),
    )  # fmt: skip


def abuse(cue: Cue) -> Happening:
    """A stronger person hits a weaker one who does not resist, over and over."""
    a, b = cue.pair(0.75)
    abuser = cue.person("abuser", person=cue.one(["man", "man", "woman"]), hooded=False)
    victim = cue.person("victim", person=cue.one(["woman", "boy", "girl", "boy", "girl"]), hooded=False)
    if abuser.person == victim.person:
        raise NoRoomError
    tall, small = cue.arrive(a, 0.0), cue.arrive(b, cue.between(-2.0, -0.5))
    small.until(0.0)
    scold = cue.between(1.2, 3.0)
    tall.do("talk", scold, facing=b)
    small.do("stand", scold, facing=a)
    cue.beat("approach", 0.0, scold, "{abuser} [shouts at|scolds|stands over and threatens] {victim} {at}")
    end = scold + cue.seconds
    while tall.t < end:
        seconds = min(end - tall.t, cue.between(1.2, 3.0))
        tall.do(cue.one(["strike", "push", "strike", "kick"]), seconds, facing=b)
        small.do("cower", seconds, facing=a)
    cue.beat(
        "act", scold, end,
        "{abuser} [slaps and shoves|beats|hits and pushes] {victim}, who [crouches|cowers] and [does not fight back|covers the head]",
        "{abuser} [keeps hitting|repeatedly hits] {victim}, who only [cowers|crouches on the ground]",
    )  # fmt: skip
    rest = cue.between(1.0, 2.5)
    tall.do("talk", rest, facing=b)
    cue.leave(tall)
    gone = cue.seen_until(cue.add("abuser", tall, look=abuser), end + rest)
    small.until(gone, "cower")
    cue.beat(
        "aftermath", end, gone, "{abuser} walks off and leaves {victim} crouching {at}",
        "{abuser} [turns away|stops] and leaves, and {victim} [stays|remains] on the ground with {victim:his} arms over {victim:his} head",
    )  # fmt: skip
    small.do("stand", cue.between(1.0, 2.0))
    cue.add("victim", cue.leave(small, speed=1.0), look=victim)
    return cue.happening(
        "anomaly", "Abuse",
        ("{abuser} [mistreats|hurts] {victim}, who is [weaker|plainly weaker] and does not resist",
         "the blows are repeated although {victim} [cowers|only tries to protect the head], which [is mistreatment|shows cruelty], not a scuffle between equals",
         "[nobody should be beaten and pushed around|beating and pushing somebody who cannot fight back is not normal behaviour] {here}"),
    )  # fmt: skip


def shooting(cue: Cue) -> Happening:
    """A gunman opens fire, somebody collapses, another flees."""
    a, b = cue.pair(cue.between(2.4, 3.6), cue.open_spot(1.4))
    gunman = cue.person("gunman", person="man", hooded=cue.chance(0.5), known_as="gunman")
    victim = cue.person("victim", known_as="victim")
    shooter = cue.arrive(a, 0.0, speed=1.7, held="gun")
    hurt = cue.arrive(b, cue.between(-8, -3)).until(0.0, cue.one(["phone", "stand", "look_around"]))
    aim = cue.between(0.8, 1.8)
    shooter.do("aim", aim, facing=b)
    hurt.do("hands_up", aim, facing=a)
    cue.beat(
        "approach", max(-1.5, cue.seen_from(shooter.track(), 0.0)), aim,
        "{gunman} [comes up with|walks up with] a gun in {gunman:his} hand and [points it|aims] at {victim}",
        "{gunman} [points|aims] a gun at {victim} {at}",
    )  # fmt: skip
    end = aim + cue.seconds
    shooter.do("shoot", cue.seconds, facing=b)
    fallen = min(cue.seconds * 0.3, 1.0)
    hurt.do("flinch", fallen, facing=a).do("collapse", 1.6)
    _flashes(cue, shooter, b, aim, end)
    cue.beat(
        "act", aim, end, "{gunman} [fires|shoots] at {victim}, who [collapses|falls to the ground]",
        "shots [ring out|are fired] {at}: {gunman} [fires|shoots] at {victim}, who [collapses|goes down]",
    )  # fmt: skip
    cue.flee(shooter)
    gone = cue.seen_until(cue.add("gunman", shooter, look=gunman), end)
    close = max(gone, hurt.t) + cue.between(1.0, 5.0)
    hurt.until(close + cue.between(15.0, 25.0), "lie_prone")
    cue.beat(
        "aftermath", end, close, "{gunman} runs {away}, and {victim} [lies motionless|does not get up]",
        "{victim} lies on the ground while {gunman} [flees|runs away]",
    )  # fmt: skip
    cue.add("victim", hurt, look=victim)
    return cue.happening(
        "anomaly", "Shooting",
        ("{gunman} [fires a gun at|shoots] {victim}, which [threatens|endangers] {victim:his} life",
         "the use of a firearm {here} [is a deadly danger for everybody around|puts everybody around in mortal danger]",
         "the muzzle flashes and the way {victim} [collapses|goes down] show that a weapon is [really fired|fired], not [just shown|only carried]"),
    )  # fmt: skip


def _flashes(cue: Cue, shooter: Steps, target: Point, start: float, end: float) -> None:
    """A muzzle flash with each recoil."""
    turn = math.atan2(target[1] - shooter.y, target[0] - shooter.x)
    x, y = shooter.x + 0.75 * math.cos(turn), shooter.y + 0.75 * math.sin(turn)
    t, number = start, 0
    while t < end - 0.15:
        cue.add(
            f"flash {number}",
            stay(t, t + 0.16, x, y, z=1.42, heading=turn, size=1.2),
            kind="flash",
            layer=-0.2,
        )
        t, number = t + 0.8 * (1 + int(cue.rng.integers(0, 2))), number + 1


def robbery(cue: Cue) -> Happening:
    """Somebody with a weapon makes another hand over money or a bag."""
    weapon: Held = cue.one(["gun", "knife"])
    robber = cue.person("robber", person="man", hooded=cue.chance(0.7), known_as="robber")
    if cue.scene.name in SHOPS:
        counter, till = cue.place("counter", named="counter"), cue.scene.place("till")
        a, b, loot = counter.xy, till.xy, "the money from the till"
        victim = cue.person("victim", hooded=False, known_as="cashier")
        held: Held = "cash"
        other = Steps(-cue.between(12, 20), *b, heading=till.heading).until(0.0)
        victim_is = "{victim} behind the counter"
    else:
        a, b = cue.pair(1.0)
        loot, held = "{victim:his} bag", "bag"
        victim = cue.person("victim", hooded=False, known_as="victim")
        other = cue.arrive(b, cue.between(-8, -4), held="bag").until(0.0, cue.one(["stand", "look_around"]))
        victim_is = "{victim} {at}"
    threat = cue.arrive(a, 0.0, speed=cue.between(1.5, 2.4), held=weapon)
    demand = max(1.0, cue.seconds * cue.between(0.5, 0.7))
    threat.do("aim", demand, facing=b)
    other.do("hands_up", demand, facing=a)
    cue.beat(
        "approach", max(-2.0, cue.seen_from(threat.track(), 0.0)), 0.6,
        f"{{robber}} [comes up to|walks straight up to] {victim_is} and [pulls|draws] a {weapon}",
    )  # fmt: skip
    cue.beat(
        "act", 0.6, demand,
        f"{{robber}} [threatens|holds up] {{victim}} with a {weapon}, and {{victim}} [raises both hands|puts up both hands]",
        f"{{robber}} points a {weapon} at {{victim}}, who [raises both hands|stands with both hands up]",
    )  # fmt: skip
    hand = max(1.2, cue.seconds - demand)
    other.hold(held).do("reach", hand, facing=a)
    other.hold("").do("hands_up", 1.5, facing=a)
    threat.do("grab", hand, facing=b)
    end = demand + hand
    cue.beat(
        "act", demand, end, f"{{victim}} [hands over|gives up] {loot}, and {{robber}} [takes|grabs] it",
        f"{{robber}} [takes|snatches] {'the money' if held == 'cash' else 'the bag'} from {{victim}}",
    )  # fmt: skip
    cue.flee(threat.hold("bag"))
    gone = cue.seen_until(cue.add("robber", threat, look=robber), end)
    cue.beat(
        "aftermath", end, gone, "{robber} runs {away} with the loot, and {victim} [stays behind|is left behind]",
        "{robber} [flees|runs away] with [the loot|what was taken]",
    )  # fmt: skip
    other.until(gone + cue.between(1.0, 3.0), "look_around")
    cue.add("victim", other if held == "cash" else cue.leave(other, speed=2.0), look=victim)
    return cue.happening(
        "anomaly", "Robbery",
        (f"{{robber}} [forces|compels] {{victim}} with a {weapon} to [give up what belongs to somebody else|hand over property]",
         f"{{victim}} acts [under threat|out of fear]: {{victim:his}} hands are up and a {weapon} is pointed at {{victim:him}}",
         "property is taken by force and the robber [runs away|flees] [at once|straight afterwards], [unlike in any ordinary exchange|as nobody does who has paid or been given it]"),
    )  # fmt: skip


def _hurled(cue: Cue, name: str, steps: Steps, turn: float, seconds: float) -> None:
    """What is held is thrown that way and flies off; now and then another stone is at hand."""
    kind: ActorKind = "bottle" if steps.held == "bottle" else "item"
    glass = kind == "bottle"
    dark = Finish(colour=(40, 70, 48) if glass else (88, 84, 80), name="dark", size=0.28 if glass else 0.15)
    metres = cue.between(3.0, 6.0)
    here = (steps.x + 0.4 * math.cos(turn), steps.y + 0.4 * math.sin(turn))
    there = (here[0] + metres * math.cos(turn), here[1] + metres * math.sin(turn))
    cue.flight(f"thrown {name} {steps.t:.2f}", kind, steps.t + 0.45, here, there, dark)
    steps.do("throw", 0.5, heading=turn).hold("")
    steps.do("throw", seconds - 0.5, heading=turn, offset=0.55)
    if cue.chance(0.6):
        steps.hold("stone")


def _patrol_car(cue: Cue, beside: Point) -> list[Steps]:
    """The way of a police car that pulls up with flashing lights, where there is a lane in view."""
    if not scene_has_road(cue.scene):
        return []
    for lane in (r for r in cue.scene.routes.values() if r.kind == "drive" and len(r.points) == 2):
        (x0, y), (x1, y1) = lane.points
        stop = (beside[0] - math.copysign(1.5, x1 - x0), y)
        if abs(y1 - y) < 1 and abs(y - beside[1]) > 2.2 and cue.floor.in_view(stop, 0.12):
            cue.busy.append((*stop, 4.0))
            speed = cue.between(6.0, 8.0)
            car = Steps(-abs(stop[0] - x0) / speed, x0, y).set(beacon=1.0, lights=float(cue.dark), brake=0.0)
            return [car.go(stop, speed=speed).set(brake=1.0)]
    return []


def arrest(cue: Cue) -> Happening:
    """Two police officers stop somebody, make them kneel, handcuff them and lead them away."""
    a, b = cue.pair(0.9)
    suspect = cue.person("suspect", person="man", known_as="suspect")
    officers: list[Look] = [cue.person(role, person="police officer") for role in ("officer", "partner")]
    held = cue.arrive(b, cue.between(-8, -4)).until(0.0, cue.one(["stand", "phone", "look_around"]))
    first = cue.arrive(a, 0.0, speed=RUN, action="run")
    behind = (2 * b[0] - a[0], 2 * b[1] - a[1])
    second = Steps(first.keys[0].t + 0.5, first.keys[0].x, first.keys[0].y)
    second.go(*cue.floor.way((second.x, second.y), behind), speed=RUN, action="run")
    patrol_car = _patrol_car(cue, b)
    with_car = ", and a police car [stops|pulls up] with flashing lights" if patrol_car else ""
    cue.beat(
        "approach", max(-2.5, cue.seen_from(first.track(), 0.0)), 0.4,
        f"two police officers [run up to|rush towards] {{suspect}} {{at}}{with_car}",
    )  # fmt: skip
    stop = max(second.t, 0.6) + cue.between(0.8, 2.0)
    held.do("hands_up", stop, facing=a)
    first.until(stop, "aim")
    second.until(stop, "stand", heading=math.atan2(a[1] - behind[1], a[0] - behind[0]))
    cue.beat(
        "act", 0.4, stop, "the police officers [surround|stop] {suspect}, who [raises both hands|puts up both hands]",
        "{suspect} [raises both hands|puts up both hands] in front of two police officers",
    )  # fmt: skip
    end = stop + max(2.5, cue.seconds)
    held.do("kneel", end - stop)
    second.until(end, "search")
    first.until(end, "aim", heading=first.heading)
    cue.beat(
        "act", stop, end,
        "{suspect} kneels while one officer [keeps watch|stands guard] and the other [searches and handcuffs|searches] {suspect:him}",
        "two police officers [hold|keep] {suspect} on {suspect:his} knees and [search|handcuff] {suspect:him}",
    )  # fmt: skip
    way_out = cue.leave(Steps(end, held.x, held.y), speed=0.95)
    spots = [(key.x, key.y) for key in way_out.keys[1:]] + [(way_out.x, way_out.y)]
    held.go(*spots, speed=0.95, action="handcuffed")
    second.go(*[(x, y + 0.45) for x, y in spots], seconds=held.t - second.t, action="led_away")
    first.wait(0.6)
    first.go(*spots, seconds=held.t - first.t + 1.0)
    gone = cue.seen_until(cue.add("suspect", held, look=suspect), end)
    cue.add("officer", first, look=officers[0])
    cue.add("partner", second, look=officers[1])
    for car in patrol_car:
        cue.add("police car", car.until(gone + 25.0), kind="police car")
        cue.lingers = 25.0
    cue.beat(
        "aftermath", end, gone, "the police officers lead {suspect} away in handcuffs",
        "{suspect} is [led|taken] {away} in handcuffs by two police officers",
    )  # fmt: skip
    return cue.happening(
        "anomaly", "Arrest",
        ("two police officers [use their power to stop and restrain|restrain] {suspect}, which [happens only when|means that] an offence is suspected",
         "{suspect} has to [kneel|go down on {suspect:his} knees], is [searched|handcuffed] and led away, so [this is more than a talk with the police|{suspect:his} freedom is taken]",
         "police officers who [rush up to|surround] somebody and use handcuffs [do not belong to|are not part of] the daily routine {here}"),
    )  # fmt: skip


def riot(cue: Cue) -> Happening:
    """A crowd with sticks gathers, throws things and sets a fire; smoke or tear gas spreads."""
    x, y = cue.open_spot(1.6)
    number = int(cue.rng.integers(6, 10))
    cue.words["crowd"] = f"a crowd of {('six', 'seven', 'eight', 'nine')[number - 6]} people"
    end = max(4.0, cue.seconds)
    gone = end
    seen = []
    for k in range(number):
        angle, far = math.tau * k / number, cue.between(0.9, 2.0)
        spot = (x + 1.5 * far * math.cos(angle), y + 0.7 * far * math.sin(angle))
        if not cue.floor.is_free(spot):
            spot = (x + cue.between(-0.8, 0.8), y + cue.between(-0.4, 0.4))
        # The first ones carry what the texts name.
        arms: tuple[Held, ...] = ("stick", "bottle", "stone", "bat", "")
        held: Held = arms[k] if k < 3 else cue.one(arms)
        steps = cue.arrive(spot, cue.between(-0.8, 0.8), speed=cue.between(2.6, 3.6), action="run", held=held)
        seen.append(max(-2.5, cue.seen_from(steps.track(), steps.t)))
        while steps.t < end:
            seconds = min(end + 0.1 - steps.t, cue.between(0.9, 2.2))
            turn = cue.between(0, math.tau)
            if steps.held in ("bottle", "stone"):
                _hurled(cue, f"{k}", steps, turn, max(0.9, seconds))
            else:
                steps.do(cue.one(["cheer", "strike", "cheer", "strike", "push"]), seconds, heading=turn)
        cue.flee(steps)
        gone = max(gone, cue.seen_until(cue.add(f"rioter {k}", steps, look=cue.stranger()), end))
    lit = min(2.0, end * 0.3)
    # In front of the crowd, where it can be seen.
    fire_x, fire_y = next(
        (
            spot
            for spot in ((x + 1.2, y - 1.5), (x - 1.2, y - 1.5), (x, y - 1.0))
            if cue.floor.is_free(spot) and cue.floor.in_view(spot, 0.05, 0.3)
        ),
        (x, y),
    )
    last = min(gone + 1.0, end + 8.0)
    for kind, size in (("fire", 1.2), (cue.one(["smoke", "tear gas"]), 1.2)):
        track = (
            Steps(lit, fire_x, fire_y)
            .set(size=size, strength=0.25)
            .wait(1.2)
            .set(strength=1.0)
            .wait(max(1.0, last - lit))
        )
        cue.add(kind, track.set(strength=0.2).wait(2.0), kind=kind)  # type: ignore[arg-type]
    cue.beat(
        "approach", min(seen), lit, "{crowd} [run together|come running from all sides] {at}, some with sticks and bottles",
    )  # fmt: skip
    cue.beat(
        "act", lit, end,
        "{crowd} [riot|rampage] {at}: they [throw things|hurl stones and bottles], swing sticks and have set a fire",
        "[rioters|people in a mob] throw [stones and bottles|things] and [swing|wave] sticks around a fire {at}",
    )  # fmt: skip
    cue.beat(
        "aftermath", end, last, "the crowd [scatters|runs apart], and [a fire is left burning|the fire goes on burning] {at}",
    )  # fmt: skip
    return cue.happening(
        "anomaly", "Riot",
        ("{crowd} [act violently together|use violence as a group], which [breaks public order|is a danger to everybody nearby]",
         "[throwing things|hurling stones and bottles], swinging sticks and setting a fire go far beyond a [peaceful gathering|lawful protest]",
         "the crowd [damages its surroundings and cannot be controlled|is out of control and causes damage] {here}"),
    )  # fmt: skip
