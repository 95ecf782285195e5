"""What the server's threads share: the project as its files are now, the ledger, and the opened films."""

from __future__ import annotations

import logging
import threading

from holmesvau.engine.beside import Beside
from holmesvau.engine.ledger import Ledger
from holmesvau.engine.plan import Planner
from holmesvau.engine.project import LIST, SETTINGS, Project, open_project
from holmesvau.engine.review.films import Films
from holmesvau.errors import HolmesError

log = logging.getLogger(__name__)


class Room:
    """A project that people work on; safe to share between threads. `who` is offered as a name.

    With `work`, what people's changes open up is done meanwhile (`beside`).
    """

    def __init__(self, project: Project, who: str = "", *, work: bool = False) -> None:
        self.project, self.who = project, who
        self.ledger: Ledger = project.ledger()
        self.films = Films()
        self._planner: Planner | None = None
        self._seen = self._state()
        self._turn = threading.Lock()
        self.beside = Beside(project) if work else None
        if self.beside is not None:
            self.beside.start()

    def close(self) -> None:
        """Stop working, and let go of the ledger and the films."""
        if self.beside is not None:
            self.beside.close()
        self.films.close()
        self.ledger.close()

    def refresh(self) -> None:
        """Read settings, list and prompts again where they have been edited.

        Raises:
            HolmesError kinds: when they cannot be used as they are now.
        """
        with self._turn:
            state = self._state()
            if state == self._seen:
                return
            project = open_project(self.project.folder, self.project.overrides)
            # Brings the ledger's videos in line with the list.
            project.ledger().close()
            self.project, self._planner, self._seen = project, None, state

    def advance(self, video: str) -> str:
        """Work out anew what is wanted of a video; a sentence where that cannot be done now, else "".

        The edit before it is kept in any case, and the next run works it out as well.
        """
        try:
            self.refresh()
            with self._turn:
                if self._planner is None:
                    self._planner = Planner(self.project)
                    self._planner.note_prompts(self.ledger)
                self._planner.advance(self.ledger, video)
        except HolmesError as error:
            log.warning("%s: saved, but what follows from it is not planned: %s", video, error)
            return f"Saved, but what follows from it could not be worked out: {error}"
        return ""

    def version(self) -> str:
        """Another one whenever something has changed that the page shows."""
        row = self.ledger.row(
            "SELECT (SELECT max(id) FROM edits), (SELECT max(id) FROM answers), "
            "(SELECT max(id) FROM reviews), (SELECT count(*) FROM reviews WHERE state = 'open'), "
            "(SELECT count(*) FROM wanted), (SELECT count(*) FROM layers), "
            "(SELECT count(*) FROM items WHERE state IN ('open', 'leased')), "
            "(SELECT count(*) FROM videos WHERE decoupled != ''), (SELECT count(*) FROM videos)"
        )
        assert row is not None
        work = () if self.beside is None else (self.beside.state,)
        return "-".join(str(value or 0) for value in (*row, *work))

    def _state(self) -> tuple[object, ...]:
        files = [self.project.folder / SETTINGS, self.project.folder / LIST]
        files += sorted(self.project.prompts.glob("*.md"))
        found = []
        for file in files:
            try:
                state = file.stat()
            except OSError:
                continue
            found.append((str(file), state.st_mtime_ns, state.st_size))
        return tuple(found)
