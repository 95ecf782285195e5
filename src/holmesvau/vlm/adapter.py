"""LoRA adapters made by peft, merged into the weights they were trained on (§4.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holmesvau.errors import MissingPartError, ModelError
from holmesvau.vlm import folder as folders

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"


def merge_adapter(model: Any, folder: Path) -> Any:
    """`model` with the adapter of `folder` merged in place: nothing is held twice, inference costs no more.

    Raises:
        MissingPartError: when peft is not installed.
        ModelError: when the folder holds no adapter, or one that was made for another model.
    """
    try:
        import peft
    except ImportError as error:
        raise MissingPartError("Adapters need peft. Do: pip install 'holmesvau[train]'") from error
    if not (folder / CONFIG_FILE).is_file() or not (folder / WEIGHTS_FILE).is_file():
        raise ModelError(f"{folder}: no adapter found ({CONFIG_FILE} and {WEIGHTS_FILE} are needed).")
    folders.tensor_names(folder / WEIGHTS_FILE)
    other = f"{folder}: this adapter was not made for this model"
    try:
        config = peft.PeftConfig.from_pretrained(folder)
        config.inference_mode = True
        wrapped = peft.get_peft_model(model, config)
        outcome = peft.set_peft_model_state_dict(wrapped, peft.load_peft_weights(folder, device="cpu"))
    except (ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"{other} ({(str(error).splitlines() or ['?'])[0]}).") from error
    lacking = [name for name in outcome.missing_keys if "lora_" in name]
    if lacking or outcome.unexpected_keys:
        # peft itself only warns, and the model would answer as if it had never been tuned.
        raise ModelError(
            f"{other}: {len(lacking)} of the model's places get no weights, and "
            f"{len(outcome.unexpected_keys)} weights find no place."
        )
    return wrapped.merge_and_unload()
