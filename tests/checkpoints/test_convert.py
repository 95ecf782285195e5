import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, InternVLForConditionalGeneration

from holmesvau import checkpoints
from holmesvau.checkpoints.reference import Reference
from holmesvau.errors import ModelError, OutputError
from holmesvau.vlm import internvl
from tests.checkpoints import released

REPOSITORY = Path(__file__).parents[2]


def load(folder):
    model, report = InternVLForConditionalGeneration.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    return model.eval()


def expected_numbers(folder, ids, pixels, image_token):
    tensors = {}
    for path in folder.glob("*.safetensors"):
        tensors |= load_file(path)
    reference = Reference(
        json.loads((folder / "config.json").read_text()), lambda name: tensors[name].float().clone()
    )
    states = reference.vision_states(pixels)
    tokens = reference.project(states)
    return states, tokens, reference.logits(ids, tokens, image_token)


@torch.inference_mode()
def assert_same_numbers(source, target, seed=0):
    dice = torch.Generator().manual_seed(seed)
    config = AutoConfig.from_pretrained(target)
    pixels = torch.randn(2, 3, *config.vision_config.image_size, generator=dice)
    image = config.image_token_id
    words = torch.randint(3, 200, (20,), generator=dice)
    ids = torch.cat([words[:4], torch.full((2 * config.image_seq_length,), image), words[4:]])
    states, tokens, logits = expected_numbers(source, ids, pixels, image)
    model = load(target)
    seen = model.get_image_features(pixels)
    found = model(input_ids=ids[None], pixel_values=pixels).logits[0]
    assert logits.std() > 0.1, "the numbers are too flat to tell anything"
    for ours, theirs in ((seen.last_hidden_state, states), (seen.pooler_output, tokens), (found, logits)):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    assert torch.equal(found.argmax(-1), logits.argmax(-1))


class TestParity:
    @torch.inference_mode()
    def test_states_features_and_logits_equal_the_published_ones(self, parity, parity_native):
        wanted = load_file(parity / "internvl2-tiny-expected.safetensors")
        model = load(parity_native)
        seen = model.get_image_features(wanted["pixel_values"])
        logits = model(input_ids=wanted["input_ids"], pixel_values=wanted["pixel_values"]).logits
        close = {"rtol": 0, "atol": 1e-4}
        torch.testing.assert_close(seen.last_hidden_state, wanted["vision_last_hidden_state"], **close)
        torch.testing.assert_close(seen.pooler_output, wanted["projected_features"], **close)
        torch.testing.assert_close(logits, wanted["logits"], **close)
        assert torch.equal(logits.argmax(-1), wanted["logits"].argmax(-1))

    @torch.inference_mode()
    def test_greedy_tokens_are_the_published_ones(self, parity, parity_native):
        wanted = load_file(parity / "internvl2-tiny-expected.safetensors")
        ids = wanted["input_ids"]
        said = load(parity_native).generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=wanted["pixel_values"],
            max_new_tokens=24,
        )
        assert said[0, ids.shape[1] :].tolist() == wanted["greedy_tokens"][0, 1:].tolist()

    def test_the_plain_formulas_equal_the_published_logits(self, parity):
        wanted = load_file(parity / "internvl2-tiny-expected.safetensors")
        numbers = expected_numbers(
            parity / "internvl2-tiny", wanted["input_ids"][0], wanted["pixel_values"], image_token=1008
        )
        published = (wanted["vision_last_hidden_state"], wanted["projected_features"], wanted["logits"][0])
        for ours, theirs in zip(numbers, published, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shards": 3},
        {"dtype": torch.bfloat16},
        {"llm_config__num_key_value_heads": 4},
        {"llm_config__num_key_value_heads": 1, "llm_config__rope_scaling": None},
        # As the 6B vision tower of the 26B model.
        {
            "vision_config__qk_normalization": True,
            "vision_config__qkv_bias": False,
            "vision_config__norm_type": "rms_norm",
        },
    ],
    ids=["single file", "shards", "bfloat16", "a key per query", "one key, plain rotary", "6B tower"],
)
def test_converted_model_computes_the_same(tmp_path, model, changes):
    source = released.make(tmp_path / "released", model, seed=5, **changes)
    target = checkpoints.convert_internvl2(source, tmp_path / "native")
    assert_same_numbers(source, target)


def test_backend_speaks_to_the_converted_folder_as_it_was_trained(native):
    loaded = internvl.load(native, dtype="float32", device="cpu")
    assert loaded.name == "released" and loaded.settings.template == "internvl2"
    assert loaded.speaker.law.special_tokens
    prompt = loaded.speaker.law.prompt("What happened?", 1)
    assert prompt.endswith("</img>\nWhat happened?<|im_end|><|im_start|>assistant\n")


def test_nothing_is_tied_and_the_rotary_scaling_is_kept(native):
    config = AutoConfig.from_pretrained(native)
    assert config.tie_word_embeddings is False and config.text_config.tie_word_embeddings is False
    rope = config.text_config.rope_parameters
    assert (rope["rope_type"], rope["factor"], rope["rope_theta"]) == ("dynamic", 2.0, 1e6)


def test_target_tells_how_to_generate_and_to_see(native):
    generation = json.loads((native / "generation_config.json").read_text())
    words = json.loads((native / "tokenizer.json").read_text())["model"]["vocab"]
    added = {
        entry["content"]: entry["id"]
        for entry in json.loads((native / "tokenizer.json").read_text())["added_tokens"]
    }
    assert generation["eos_token_id"] == [added["<|im_end|>"], words["</s>"]]
    preprocessor = json.loads((native / "preprocessor_config.json").read_text())
    assert preprocessor["crop_to_patches"] is False and preprocessor["size"] == {"height": 56, "width": 56}


def test_second_conversion_finds_the_first(pristine, native):
    before = (native / "model.safetensors").stat().st_mtime_ns
    assert checkpoints.convert_internvl2(pristine, native) == native
    assert (native / "model.safetensors").stat().st_mtime_ns == before


def test_folder_that_holds_something_else_is_left_alone(pristine, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="already exists"):
        checkpoints.convert_internvl2(pristine, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_scorer_beside_the_model_comes_along(checkpoint, tmp_path):
    from holmesvau.ats.urdmu import UrDmu

    torch.manual_seed(0)
    weights = UrDmu(input_size=24).state_dict()
    torch.save(
        {"state_dict": {f"module.{name}": value for name, value in weights.items()}},
        checkpoint / "anomaly_scorer.pth",
    )
    target = checkpoints.convert_internvl2(checkpoint, tmp_path / "native", verify=False)
    carried = load_file(target / "anomaly_scorer.safetensors")
    assert carried.keys() == weights.keys()
    assert all(torch.equal(carried[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ps_version": "v1"}, "ps_version is 'v1'"),
        ({"select_layer": -4}, "select_layer is -4"),
        ({"template": "internvl2_5"}, "template is 'internvl2_5'"),
        ({"pad2square": True}, "pad2square is True"),
        ({"force_image_size": 224}, "force_image_size is 224"),
        ({"downsample_ratio": 0.3}, "downsample_ratio is 0.3"),
        (
            {"llm_config__model_type": "qwen2", "llm_config__architectures": ["Qwen2ForCausalLM"]},
            "Qwen2ForCausalLM",
        ),
        (
            {"llm_config__model_type": "llama", "llm_config__architectures": ["LlamaForCausalLM"]},
            "LlamaForCausalLM",
        ),
        ({"llm_config__rope_scaling": {"type": "yarn", "factor": 2.0}}, "rope_scaling is"),
        ({"llm_config__tie_word_embeddings": True}, "tie_word_embeddings is True"),
        ({"llm_config__bias": True}, "bias is True"),
        ({"vision_config__hidden_act": "gelu_new"}, "hidden_act is 'gelu_new'"),
        ({"vision_config__model_type": "siglip"}, "model_type is 'siglip'"),
        ({"model_type": "llava"}, "this is a 'llava' model"),
        ({"model_type": "internvl"}, "in native format already"),
        ({"llm_config": None}, "llm_config is missing"),
        ({"llm_config__hidden_size": -3}, "hidden_size is -3"),
    ],
)
def test_what_cannot_be_exact_is_refused_with_the_reason(checkpoint, tmp_path, change, reason):
    data = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(
        json.dumps(released.config(data["llm_config"]["vocab_size"], **change))
    )
    with pytest.raises(ModelError, match=reason):
        checkpoints.convert_internvl2(checkpoint, tmp_path / "native")
    assert [path.name for path in tmp_path.iterdir()] == ["released"]


class TestDamage:
    """Each ends in a sentence, and in no target."""

    @pytest.fixture
    def shards(self, tmp_path, model):
        return released.make(tmp_path / "released", model, shards=3)

    @pytest.fixture(autouse=True)
    def no_target(self, tmp_path):
        yield
        assert not (tmp_path / "native").exists() and not (tmp_path / ".native.unfinished").exists()

    def refused(self, source, reason):
        with pytest.raises(ModelError, match=reason):
            checkpoints.convert_internvl2(source, source.parent / "native")

    def rewrite(self, source, change):
        weights = load_file(source / "model.safetensors")
        change(weights)
        save_file(weights, source / "model.safetensors")

    def test_missing_shard(self, shards):
        (shards / "model-00002-of-00003.safetensors").unlink()
        self.refused(shards, r"1 of 3 weight files are missing \(model-00002-of-00003")

    def test_size_other_than_the_index_says(self, shards):
        index = json.loads((shards / "model.safetensors.index.json").read_text())
        index["metadata"]["total_size"] += 4
        (shards / "model.safetensors.index.json").write_text(json.dumps(index))
        self.refused(shards, "not of one download")

    def test_shards_of_two_downloads(self, shards):
        first, second = (shards / f"model-0000{number}-of-00003.safetensors" for number in (1, 2))
        first.write_bytes(second.read_bytes())
        self.refused(shards, "says that model-00001-of-00003.safetensors holds .* but it does not")

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
    def test_truncated_weights(self, checkpoint, share):
        path = checkpoint / "model.safetensors"
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        self.refused(checkpoint, "damaged or cut short")

    def test_weights_that_are_no_safetensors(self, checkpoint):
        (checkpoint / "model.safetensors").write_bytes(b"<html>not found</html>" * 100)
        self.refused(checkpoint, "damaged or cut short")

    def test_no_weights(self, checkpoint):
        (checkpoint / "model.safetensors").unlink()
        self.refused(checkpoint, "no weights found")

    def test_hash_of_the_sums_file(self, checkpoint):
        (checkpoint / "SHA256SUMS").write_text(f"{'0' * 64}  model.safetensors\n")
        self.refused(checkpoint, "published as 000000000000")

    def test_hash_that_the_hub_noted_beside_the_folder(self, checkpoint):
        note = checkpoint / ".cache" / "huggingface" / "download" / "model.safetensors.metadata"
        note.parent.mkdir(parents=True)
        note.write_text(f"{'a' * 40}\n{'1' * 64}\n1700000000.0\n")
        self.refused(checkpoint, "published as 111111111111")

    def test_hash_in_the_name_of_the_blob(self, checkpoint):
        blob = checkpoint / "blobs" / ("2" * 64)
        blob.parent.mkdir()
        (checkpoint / "model.safetensors").rename(blob)
        (checkpoint / "model.safetensors").symlink_to(blob)
        self.refused(checkpoint, "published as 222222222222")

    def test_missing_weight(self, checkpoint):
        self.rewrite(checkpoint, lambda weights: weights.pop("mlp1.3.bias"))
        self.refused(checkpoint, "1 weights are missing, mlp1.3.bias among them")

    def test_unknown_weight(self, checkpoint):
        self.rewrite(checkpoint, lambda weights: weights.update({"extra.weight": torch.zeros(3)}))
        self.refused(checkpoint, "1 weights are unknown, extra.weight among them")

    def test_lora_that_is_not_merged(self, checkpoint):
        name = "language_model.base_model.model.model.layers.0.attention.wo.lora_A.default.weight"
        self.rewrite(checkpoint, lambda weights: weights.update({name: torch.zeros(3)}))
        self.refused(checkpoint, "LoRA is not merged")

    def test_weight_of_another_shape(self, checkpoint):
        self.rewrite(checkpoint, lambda weights: weights.update({"mlp1.3.bias": torch.zeros(3)}))
        self.refused(checkpoint, r"mlp1.3.bias has shape \(3,\), but config.json asks for \(32,\)")

    def test_quantised_weight(self, checkpoint):
        self.rewrite(
            checkpoint, lambda weights: weights.update({"mlp1.3.bias": torch.zeros(32, dtype=torch.int8)})
        )
        self.refused(checkpoint, "stored as I8")

    def test_more_tokens_than_words(self, checkpoint):
        added = json.loads((checkpoint / "added_tokens.json").read_text())
        (checkpoint / "added_tokens.json").write_text(
            json.dumps({**added, "<extra>": max(added.values()) + 1})
        )
        self.refused(checkpoint, "and the model only")

    def test_folder_that_is_none(self, tmp_path):
        self.refused(tmp_path / "nowhere" / "released", "config.json is missing")


def test_right_hash_is_accepted(checkpoint, tmp_path):
    digest = hashlib.sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest()
    (checkpoint / "SHA256SUMS").write_text(f"{digest} *model.safetensors\n")
    assert checkpoints.convert_internvl2(checkpoint, tmp_path / "native", verify=False).is_dir()


def child(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        check=False,
        text=True,
        env=environment,
        timeout=100,
    )


KILLED = """
import os, signal, sys
from holmesvau import checkpoints
def progress(stage, done, total):
    if done > total * 0.5:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoints.convert_internvl2(sys.argv[1], sys.argv[2], verify=False, progress=progress)
"""


def test_killed_conversion_goes_on_from_its_last_shard(tmp_path, model):
    source, target = released.make(tmp_path / "released", model, shards=4), tmp_path / "native"
    assert child(KILLED, source, target).returncode == -signal.SIGKILL
    assert not target.exists()
    kept = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / ".native.unfinished").glob("model-*.safetensors")
    }
    assert 0 < len(kept) < 4
    checkpoints.convert_internvl2(source, target)
    assert {target / path.name: time for path, time in kept.items()}.items() <= {
        path: path.stat().st_mtime_ns for path in target.glob("*.safetensors")
    }.items()
    assert not list(tmp_path.glob(".native*")) and not list(target.glob("*.unfinished"))
    assert_same_numbers(source, target)


def test_killed_conversion_of_other_weights_begins_anew(tmp_path, model):
    source, target = released.make(tmp_path / "released", model, shards=4), tmp_path / "native"
    assert child(KILLED, source, target).returncode == -signal.SIGKILL
    data = json.loads((source / "config.json").read_text())
    released.write_weights(source, released.weights(data, seed=99), shards=4)
    checkpoints.convert_internvl2(source, target)
    assert_same_numbers(source, target)


MEMORY = """
import sys
from holmesvau import checkpoints
from holmesvau.vlm import internvl
def status(field):
    return next(int(l.split()[1]) * 1024 for l in open("/proc/self/status") if l.startswith(field))
# Once through with a small model: libraries load their parts when first used.
checkpoints.convert_internvl2(sys.argv[1], sys.argv[2])
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
checkpoints.convert_internvl2(sys.argv[3], sys.argv[4])
print(status("VmHWM") - before)
"""


def sparse_checkpoint(folder, model, shards, **changes):
    """A checkpoint whose weights are zeros that take no space on the disk."""
    folder.mkdir()
    words = released.write_tokenizer(folder, model)
    data = released.config(words, **changes)
    (folder / "config.json").write_text(json.dumps(data))
    from holmesvau.checkpoints import internvl2

    shapes = {part.name: part.shape for part in internvl2.parts(internvl2.geometry(folder, data))}
    places, total = {}, 0
    for number in range(shards):
        name = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        header, end = {}, 0
        for key in sorted(shapes, key=lambda key: (key.startswith("language_model.output"), key))[
            number::shards
        ]:
            size = 2 * int(torch.Size(shapes[key]).numel())
            header[key] = {"dtype": "BF16", "shape": shapes[key], "data_offsets": [end, end + size]}
            end, places[key] = end + size, name
        head = json.dumps(header).encode()
        with (folder / name).open("wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            file.truncate(8 + len(head) + end)
        total += end
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": places})
    )
    return folder


def test_peak_memory_stays_below_the_largest_shard(pristine, tmp_path, model):
    source = sparse_checkpoint(
        tmp_path / "large", model, 2, llm_config__vocab_size=150_000, llm_config__hidden_size=512
    )
    largest = max(path.stat().st_size for path in source.glob("*.safetensors"))
    assert largest > 150e6
    done = child(MEMORY, pristine, tmp_path / "small", source, tmp_path / "native")
    assert done.returncode == 0, done.stderr
    grown = int(done.stdout.split()[-1])
    assert grown < 1.3 * largest, f"{grown / 1e6:.0f} MB for shards of {largest / 1e6:.0f} MB"


LITTLE_MEMORY = """
import resource, sys
from holmesvau import checkpoints
from holmesvau.checkpoints import convert, verify
from holmesvau.errors import HolmesError
used = next(int(l.split()[1]) * 1024 for l in open("/proc/self/status") if l.startswith("VmSize:"))
resource.setrlimit(resource.RLIMIT_AS, (used + 400_000_000,) * 2)
try:
    checkpoints.convert_internvl2(sys.argv[1], sys.argv[2])
except HolmesError as error:
    print(type(error).__name__, error)
"""


def test_too_little_memory_is_said_before_it_starts(tmp_path, model):
    source = sparse_checkpoint(
        tmp_path / "large", model, 2, llm_config__hidden_size=2048, llm_config__intermediate_size=8192
    )
    done = child(LITTLE_MEMORY, source, tmp_path / "native")
    assert "ModelError Verifying the converted checkpoint needs 0.7" in done.stdout, done.stdout + done.stderr
    assert "GiB of memory and 0.3" in done.stdout
    assert not list((tmp_path / ".native.unfinished").glob("*.safetensors"))


def test_too_little_disk_is_said_before_it_starts(tmp_path, model):
    source = sparse_checkpoint(tmp_path / "vast", model, 1, llm_config__vocab_size=10_000_000_000)
    with pytest.raises(OutputError, match=r"119\d\.\d+ GiB of disk are needed .* are free"):
        checkpoints.convert_internvl2(source, tmp_path / "native", verify=False)
    assert not (tmp_path / "native").exists()


FULL_DISK = """
import resource, signal, sys
from holmesvau import checkpoints
from holmesvau.errors import HolmesError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    checkpoints.convert_internvl2(sys.argv[1], sys.argv[2], verify=False)
except HolmesError as error:
    print(type(error).__name__, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
print(checkpoints.convert_internvl2(sys.argv[1], sys.argv[2], verify=False))
"""


@pytest.mark.parametrize("limit", [100, 2000, 60_000], ids=["record", "weights", "last shard"])
def test_disk_that_fills_up_leaves_no_target_and_is_made_good_later(tmp_path, model, limit):
    source = released.make(tmp_path / "released", model, shards=3)
    target = tmp_path / "native"
    done = child(FULL_DISK, source, target, limit)
    assert "OutputError" in done.stdout and "File too large" in done.stdout, done.stdout + done.stderr
    assert done.stdout.split()[-1] == str(target)
    assert_same_numbers(source, target)
