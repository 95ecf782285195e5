"""Who writes: servers, local models, files, records. `open_provider` makes one from its name in the
settings.
"""

from __future__ import annotations

from holmesvau import registry
from holmesvau.engine.providers.protocol import Place, Provider, Reply, Request, tokens_of
from holmesvau.engine.writing import PEOPLE, WriterConfig
from holmesvau.errors import InputError

__all__ = ["Place", "Provider", "Reply", "Request", "check_name", "open_provider", "threads_for", "tokens_of"]


def open_provider(config: WriterConfig) -> Provider:
    """The provider of a writer's settings, ready to write.

    Raises:
        InputError: for an unknown name; ModelError and MissingPartError when it cannot be had.
    """
    check_name(config.provider)
    kind, _, source = config.provider.partition(":")
    provider = _opened(kind, source, config)
    if config.record:
        from holmesvau.engine.providers.recorded import Recorded

        return Recorded(provider, config.record)
    return provider


def check_name(name: str) -> None:
    """Complain about a provider that there is not, before anything is done.

    Raises:
        InputError: saying which there are.
    """
    kind, _, source = name.partition(":")
    if kind == "endpoint":
        from holmesvau.engine.providers.served import checked

        checked(source)
    elif kind in ("imported", "replay"):
        if not source:
            raise InputError(f"{kind}: name the file, for example {kind}:annotations.json")
    elif kind not in (PEOPLE, "smollm2", *registry.names("models")):
        raise InputError(
            f"provider = {name!r}: there are endpoint:URL, imported:FILE, replay:FILE, smollm2, people, "
            f"and the models {', '.join(registry.names('models'))}."
        )


def threads_for(config: WriterConfig) -> int:
    """How many requests one process can have under way: a model that runs in it answers them one by one."""
    elsewhere = config.provider.partition(":")[0] in ("endpoint", "imported", "replay")
    return config.at_once if elsewhere else 1


def _opened(kind: str, source: str, config: WriterConfig) -> Provider:
    if kind == "endpoint":
        from holmesvau.engine.providers.served import Served

        return Served(source, config)
    if kind == "imported":
        from holmesvau.engine.providers.imported import Imported

        return Imported(source)
    if kind == "replay":
        from holmesvau.engine.providers.recorded import Replayed

        return Replayed(source)
    from holmesvau.engine.providers.local import Local, SmolLm2

    return SmolLm2() if kind == "smollm2" else Local(config.provider, config)
