"""A model behind any OpenAI-compatible server, as a `VisionLanguageModel`; see `docs/serving.md`."""

from holmesvau.vlm.endpoint.attempts import EndpointConfig
from holmesvau.vlm.endpoint.model import Endpoint, load

__all__ = ["Endpoint", "EndpointConfig", "load"]
