"""Where people can walk and what the camera sees of it: ways around furniture, and lines of sight.

Shape legend: `R C` rows (y) and columns (x) of a grid over the floor, `S` solids.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from holmesvau.sim.world import Scene

Point = tuple[float, float]
Way = tuple[Point, ...]
Cell = tuple[int, int]

CELL = 0.3
# Half a body's width, kept from furniture.
ELBOW = 0.22
REACH = 45.0
# From so many ways to or from a cell on, the ways to it from everywhere are kept.
OFTEN = 12


class Floor:
    """The floor of one scene as somebody on foot finds it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._solids = np.array(
            [
                [s.x, s.y, s.half_u, s.half_v, math.cos(s.heading), math.sin(s.heading), s.z0, s.z1]
                for s in scene.solids
            ]
        ).reshape(-1, 8)
        walks = [p for route in scene.routes.values() if route.kind == "walk" for p in route.points]
        spots = [place.xy for place in scene.places.values()]
        corners = [c for region in scene.regions.values() if region.kind == "walk" for c in region.corners]
        known = np.clip(np.array([*walks, *spots, *corners]), -REACH, REACH)
        self._low = known.min(0) - 2.0
        self._columns, self._rows = (
            np.ceil((known.max(0) + 2.0 - self._low) / CELL).astype(int) + 1
        ).tolist()
        self._cost = self._costs()
        self._asked: Counter[Cell] = Counter()
        self._towards: dict[Cell, npt.NDArray[np.int32]] = {}
        self.ways_in = self._ends()

    def _costs(self) -> npt.NDArray[np.float64]:
        """`[R, C]`: what a step costs; infinite where something stands or nobody may go."""
        x, y = np.meshgrid(
            self._low[0] + CELL * np.arange(self._columns), self._low[1] + CELL * np.arange(self._rows)
        )
        cost = np.ones_like(x)
        for region in self.scene.regions.values():
            if region.kind != "walk":
                (x0, y0), (x1, y1) = np.min(region.corners, axis=0), np.max(region.corners, axis=0)
                inside = (x > x0) & (x < x1) & (y > y0) & (y < y1)
                cost[inside] = np.inf if region.kind == "forbidden" else 2.5
        for sx, sy, half_u, half_v, c, s, z0, z1 in self._solids:
            if z0 < 1.3 and z1 > 0.3:
                dx, dy = x - sx, y - sy
                hit = (np.abs(c * dx + s * dy) < half_u + ELBOW) & (np.abs(c * dy - s * dx) < half_v + ELBOW)
                cost[hit] = np.inf
        return cost

    def _ends(self) -> list[Point]:
        """Where people come from and go to: the ends of walking routes, doors, the picture's sides."""
        ends = [place.xy for place in self.scene.places.values() if place.kind in ("entrance", "exit")]
        for route in self.scene.routes.values():
            if route.kind == "walk":
                ends += [p for p in (route.points[0], route.points[-1]) if not self.in_view(p, 0.0)]
        kept: list[Point] = []
        for end in ends:
            if all(math.dist(end, other) > 0.8 for other in kept):
                kept.append(end)
        return kept

    def is_free(self, point: Point) -> bool:
        """Whether somebody can stand there."""
        row, column = self._cell(point)
        return bool(np.isfinite(self._cost[row, column]))

    def in_view(self, point: Point, margin: float = 0.06, height: float = 1.0) -> bool:
        """Whether the camera sees a body's middle at the point: inside the picture and behind nothing."""
        return self.scene.camera.sees(*point, margin=margin) and self._sight(point, height)

    def _sight(self, point: Point, height: float) -> bool:
        eye = self.scene.camera.position
        share = np.linspace(0.05, 0.97, 48)[:, None]
        ray = eye + share * (np.array([*point, height]) - eye)
        sx, sy, half_u, half_v, c, s, z0, z1 = self._solids.T
        dx, dy = ray[:, :1] - sx, ray[:, 1:2] - sy
        inside = (np.abs(c * dx + s * dy) < half_u) & (np.abs(c * dy - s * dx) < half_v)
        return not bool((inside & (ray[:, 2:] > z0) & (ray[:, 2:] < z1)).any())

    def is_clear(self, a: Point, b: Point) -> bool:
        """Whether the straight line between two points can be walked, and stays off the road if it began off it."""
        count = max(2, int(math.dist(a, b) / 0.15))
        xs, ys = np.linspace(a[0], b[0], count), np.linspace(a[1], b[1], count)
        rows = np.clip(((ys - self._low[1]) / CELL).round().astype(int), 0, self._rows - 1)
        columns = np.clip(((xs - self._low[0]) / CELL).round().astype(int), 0, self._columns - 1)
        along = self._cost[rows, columns]
        return bool(along.max() <= max(1.0, self._at(a), self._at(b)))

    def _at(self, point: Point) -> float:
        cost = float(self._cost[self._cell(point)])
        return cost if math.isfinite(cost) else 1.0

    def way(self, a: Point, b: Point) -> Way:
        """The points after `a` of a walk to `b` around what stands between; straight where nothing does."""
        if self.is_clear(a, b):
            return (b,)
        cells = self._shortest(self._nearest(a), self._nearest(b))
        if not cells:
            return (b,)
        points = [self._point(cell) for cell in cells]
        points[-1] = b
        pulled, here = [], a
        while points:
            last = next((k for k in range(len(points) - 1, 0, -1) if self.is_clear(here, points[k])), 0)
            here = points[last]
            pulled.append(here)
            points = points[last + 1 :]
        return tuple(pulled)

    def length(self, a: Point, way: Sequence[Point]) -> float:
        """Metres from `a` along a way."""
        return sum(math.dist(p, q) for p, q in zip([a, *way], way, strict=False))

    def _cell(self, point: Point) -> Cell:
        row, column = round((point[1] - self._low[1]) / CELL), round((point[0] - self._low[0]) / CELL)
        return min(max(row, 0), self._rows - 1), min(max(column, 0), self._columns - 1)

    def _point(self, cell: Cell) -> Point:
        return float(self._low[0] + CELL * cell[1]), float(self._low[1] + CELL * cell[0])

    def _nearest(self, point: Point) -> Cell:
        """The nearest cell to stand in."""
        row, column = self._cell(point)
        if math.isfinite(self._cost[row, column]):
            return row, column
        rows, columns = np.nonzero(np.isfinite(self._cost))
        best = int(np.argmin((rows - row) ** 2 + (columns - column) ** 2))
        return int(rows[best]), int(columns[best])

    def _shortest(self, start: Cell, goal: Cell) -> list[Cell]:
        """The cells after `start` of the cheapest way; none where there is no way."""
        self._asked.update((start, goal))
        if self._asked[goal] > OFTEN:
            return self._followed(start, goal)
        if self._asked[start] > OFTEN:
            return [*self._followed(goal, start)[-2::-1], goal]
        came: dict[Cell, Cell] = {}
        spent = {start: 0.0}
        queue = [(0.0, start)]
        while queue:
            _, here = heapq.heappop(queue)
            if here == goal:
                cells = [here]
                while cells[-1] in came:
                    cells.append(came[cells[-1]])
                return cells[-2::-1] or [goal]
            for there, metres in self._beside(here):
                cost = spent[here] + metres * float(self._cost[there])
                if cost < spent.get(there, math.inf):
                    spent[there], came[there] = cost, here
                    heapq.heappush(queue, (cost + math.dist(there, goal), there))
        return []

    def _followed(self, start: Cell, goal: Cell) -> list[Cell]:
        """The cells after `start` of the cheapest way to a goal that is asked for often (a door)."""
        if goal not in self._towards:
            self._towards[goal] = self._all_ways(goal)
        towards, cells, here = self._towards[goal], [], start
        while here != goal:
            after = int(towards[here])
            if after < 0:
                return []
            here = divmod(after, self._columns)
            cells.append(here)
        return cells or [goal]

    def _all_ways(self, goal: Cell) -> npt.NDArray[np.int32]:
        """`[R, C]`: the number of the next cell on the cheapest way to the goal; -1 where there is none."""
        towards = np.full(self._cost.shape, -1, np.int32)
        spent = {goal: 0.0}
        queue = [(0.0, goal)]
        while queue:
            so_far, here = heapq.heappop(queue)
            if so_far > spent[here]:
                continue
            for there, metres in self._beside(here):
                cost = so_far + metres * float(self._cost[here])
                if cost < spent.get(there, math.inf):
                    spent[there] = cost
                    towards[there] = here[0] * self._columns + here[1]
                    heapq.heappush(queue, (cost, there))
        return towards

    def _beside(self, cell: Cell) -> Iterator[tuple[Cell, float]]:
        for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            row, column = cell[0] + dr, cell[1] + dc
            if (
                0 <= row < self._rows
                and 0 <= column < self._columns
                and math.isfinite(self._cost[row, column])
            ):
                yield (row, column), math.hypot(dr, dc)
