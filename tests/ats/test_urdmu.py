"""The UR-DMU scorer: the released network's numbers, long videos, training outputs, and damaged weights."""

import math
import resource
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from holmesvau.ats.classes import PREFIX, ClassHead, ClassNames
from holmesvau.ats.features import Features
from holmesvau.ats.urdmu import WINDOW, UrDmu, UrDmuScorer, local_mean, window_starts
from holmesvau.errors import InputError, ModelError


@pytest.fixture(scope="module")
def network() -> UrDmu:
    torch.manual_seed(0)
    return UrDmu(64).eval()


def drifting(num_dense: int, width: int = 64, seed: int = 0) -> torch.Tensor:
    """Features that change slowly, as those of a video do: `[1, T, width]`."""
    generator = torch.Generator().manual_seed(seed)
    walk = torch.randn(1, num_dense, width, generator=generator).cumsum(1)
    return walk / walk.std()


def as_features(pooled: np.ndarray) -> Features:
    cells = np.zeros((len(pooled), 1, 1, 1), np.float16)
    return Features(np.arange(len(pooled)), np.arange(len(pooled)) / 2, pooled, cells, 0.5, "some-encoder")


def test_scores_equal_those_of_the_released_network(shared):
    scorer = UrDmuScorer(shared / "parity" / "urdmu-weights.safetensors")
    expected = load_file(shared / "parity" / "urdmu-expected.safetensors")
    names = [name.removesuffix(".features") for name in expected if name.endswith(".features")]
    assert len(names) == 5
    for name in names:
        features, scores = expected[f"{name}.features"], expected[f"{name}.scores"]
        with torch.inference_mode():
            assert torch.allclose(scorer.network(features), scores, rtol=0, atol=1e-5), name
        for row, wanted in zip(features, scores, strict=True):
            assert np.allclose(scorer.score(as_features(row.numpy())), wanted.numpy(), rtol=0, atol=1e-5)


def test_state_dict_has_the_released_keys_and_shapes(shared):
    released = load_file(shared / "parity" / "urdmu-weights.safetensors")
    own = UrDmu(1024).state_dict()
    assert {key: tensor.shape for key, tensor in own.items()} == {k: t.shape for k, t in released.items()}
    assert sum(tensor.numel() for tensor in own.values()) == 6_492_929


@pytest.mark.parametrize("num_dense", [1, 2, 3, 50, 51, 52, 127, 128, 129, 400])
def test_the_local_half_equals_the_full_matrix_normalised_by_column(num_dense):
    x = torch.randn(2, num_dense, 5, dtype=torch.float64)
    place = torch.arange(num_dense, dtype=torch.float64)
    weights = torch.exp(-(place[:, None] - place[None, :]).abs() / math.e)
    wanted = torch.einsum("ij,bjc->bic", weights / weights.sum(0, keepdim=True), x)
    assert torch.allclose(local_mean(x), wanted, rtol=0, atol=1e-7)


def test_the_longest_video_in_one_window_is_the_full_network(network):
    features = drifting(WINDOW)
    with torch.inference_mode():
        assert torch.equal(network(features), network._score(features))


@pytest.mark.parametrize("num_dense", [WINDOW + 1, WINDOW + 700, 4 * WINDOW])
def test_windows_cover_every_frame_and_overlap(num_dense):
    starts = window_starts(num_dense)
    assert starts[0] == 0 and starts[-1] == num_dense - WINDOW
    assert all(0 < later - earlier <= WINDOW - 256 for earlier, later in pairwise(starts))


def test_a_long_video_scores_as_its_windows_do_and_without_seams(network):
    features = drifting(3 * WINDOW)
    with torch.inference_mode():
        scores = network(features)[0]
        first = network(features[:, :WINDOW])[0]
    assert torch.allclose(scores[:700], first[:700], atol=1e-6)
    steps = scores.diff().abs()
    seams = [border for start in window_starts(3 * WINDOW) for border in (start - 1, start + WINDOW - 1)]
    inner = [border for border in seams if 0 <= border < len(steps)]
    assert inner
    assert steps[inner].max() <= steps.quantile(0.999)


def test_windows_come_close_to_the_full_network(network):
    features = drifting(2_000)
    with torch.inference_mode():
        windowed, full = network(features)[0], network._score(features)[0]
    assert torch.corrcoef(torch.stack([windowed, full]))[0, 1] > 0.9


def test_a_batch_of_long_videos_scores_as_one_by_one(network):
    features = torch.cat([drifting(1_500, seed=1), drifting(1_500, seed=2)])
    with torch.inference_mode():
        together, apart = network(features), torch.cat([network(row[None]) for row in features])
    assert torch.allclose(together, apart, atol=1e-6)


def test_hours_of_video_are_scored_in_bounded_memory(network):
    features = drifting(8_000).half()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.inference_mode():
        scores = network(features)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
    assert scores.shape == (1, 8_000)
    # The four heads' maps of 8,000 x 8,000 weights alone would be 1 GiB.
    assert grown < 500


def bytes_in_memory(path: Path) -> int:
    """Of a file mapped into this process."""
    mappings = Path("/proc/self/smaps").read_text().split(str(path))[1:]
    return sum(int(mapping.split("Rss:")[1].split()[0]) << 10 for mapping in mappings)


def test_a_stored_video_is_read_window_by_window_with_the_same_bits(tmp_path):
    torch.manual_seed(0)
    network, head, names = UrDmu(512), ClassHead(3), ClassNames(("Arson", "Fighting"))
    state = network.state_dict() | {PREFIX + name: tensor for name, tensor in head.state_dict().items()}
    save_file(state, tmp_path / "scorer.safetensors", metadata=names.to_metadata())
    scorer = UrDmuScorer(tmp_path / "scorer.safetensors")
    drifting(2_200, 512)[0].half().numpy().tofile(tmp_path / "pooled")
    pooled = np.memmap(tmp_path / "pooled", np.float16, "r", shape=(2_200, 512))

    scores, (again, probabilities), states = (
        read(as_features(pooled)) for read in (scorer.score, scorer.classify, scorer.states)
    )
    assert bytes_in_memory(tmp_path / "pooled") == 0
    assert scorer.class_head is not None
    with torch.inference_mode():
        whole = torch.from_numpy(np.array(pooled))[None]
        assert bytes_in_memory(tmp_path / "pooled") == pooled.nbytes
        wanted, logits = scorer.network.read(whole, scorer.class_head)
        assert np.array_equal(scores, scorer.network(whole)[0].numpy())
    assert np.array_equal(again, wanted[0].numpy())
    assert np.array_equal(probabilities, logits[0].softmax(-1).numpy())
    assert np.array_equal(states[:, 512], scores.astype(np.float16))
    assert states.dtype == np.float16 and states.shape == (2_200, 512 + 1 + 3)


def test_gradients_flow_through_windows():
    torch.manual_seed(0)
    network = UrDmu(16)
    network(torch.randn(1, WINDOW + 10, 16)).mean().backward()
    without = [name for name, weight in network.named_parameters() if weight.grad is None]
    assert without == ["encoder_var.0.weight", "encoder_var.0.bias"]


def test_a_new_module_trains_with_dropout_and_an_evaluated_one_does_not():
    torch.manual_seed(0)
    network, features = UrDmu(16), torch.randn(1, 40, 16)
    assert network.training
    assert not torch.equal(network(features), network(features))
    network.eval()
    assert torch.equal(network(features), network(features))


def test_training_outputs_are_what_the_losses_need():
    torch.manual_seed(0)
    network, features = UrDmu(16, dropout=0.0), torch.randn(2, 40, 16)
    normal = torch.tensor([True, False])
    out = network.forward_train(features, normal)
    assert out.scores.shape == out.anomaly_attention.shape == out.normal_attention.shape == (2, 40)
    assert out.embeddings.shape == out.normal_mean.shape == out.normal_log_variance.shape == (2, 40, 512)
    for attention in (out.anomaly_attention, out.normal_attention):
        assert ((attention > 0) & (attention < 1)).all()
    # Only what the normal memory recalls of normal videos is sampled.
    assert not torch.equal(out.normal_latent[0], out.normal_mean[0])
    assert torch.equal(out.normal_latent[1], out.normal_mean[1])
    assert torch.allclose(out.scores[1], network(features)[1], atol=1e-6)
    (out.scores.sum() + out.normal_log_variance.sum() + out.anomaly_attention.sum()).backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_sampled_latents_have_the_mean_and_variance_they_claim():
    torch.manual_seed(0)
    network, features = UrDmu(16, dropout=0.0), torch.randn(1, 4, 16).expand(300, -1, -1)
    with torch.no_grad():
        out = network.forward_train(features, torch.ones(300, dtype=torch.bool))
    assert torch.allclose(out.normal_latent.mean(0), out.normal_mean[0], atol=0.35)
    claimed = out.normal_log_variance[0].exp().mean().item()
    assert out.normal_latent.var(0).mean().item() == pytest.approx(claimed, rel=0.05)


@pytest.mark.parametrize("shape", [(3, 16), (1, 3, 8), (1, 0, 16)])
def test_features_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match=r"\[B, T, 16\]"):
        UrDmu(16)(torch.zeros(shape))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_come_back_from_both_kinds_of_file(tmp_path, network, suffix):
    path = tmp_path / f"scorer{suffix}"
    if suffix == ".pth":
        torch.save({f"module.{key}": tensor for key, tensor in network.state_dict().items()}, path)
    else:
        save_file(network.state_dict(), path)
    scorer = UrDmuScorer(path)
    assert scorer.input_width == 64 and not scorer.network.training
    pooled = drifting(30)[0].half().numpy()
    with torch.inference_mode():
        wanted = network(torch.from_numpy(pooled)[None])[0].numpy()
    scores = scorer.score(as_features(pooled))
    assert scores.dtype == np.float32
    assert np.array_equal(scores, wanted)
    assert np.array_equal(scores, scorer.score(as_features(pooled)))
    assert scorer.score(as_features(pooled[:0])).shape == (0,)


def test_features_of_another_encoder_are_refused(tmp_path, network):
    path = tmp_path / "scorer.safetensors"
    save_file(network.state_dict(), path)
    with pytest.raises(InputError, match="width 64, but some-encoder gives 32"):
        UrDmuScorer(path).score(as_features(np.zeros((5, 32), np.float16)))


def test_files_that_are_no_scorer_are_refused_in_a_sentence(tmp_path, network):
    state = network.state_dict()
    cases = {
        "missing.pth": (None, "no such file"),
        "text.safetensors": (b"not a safetensors file", "cannot be read"),
        "text.pth": (b"neither a checkpoint", "cannot be read"),
    }
    for name, (content, message) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=message):
            UrDmuScorer(tmp_path / name)
    tables = [
        ({"weight": torch.zeros(3)}, "no embedding.conv_1.0.weight"),
        ({**state, "extra": torch.zeros(1)}, "has extra"),
        (
            {key: value for key, value in state.items() if key != "encoder_mu.0.bias"},
            "lacks encoder_mu.0.bias",
        ),
        ({**state, "cls_head.mlp.0.bias": torch.zeros(7)}, r"cls_head.mlp.0.bias has shape \(7,\)"),
    ]
    for table, message in tables:
        save_file(table, tmp_path / "table.safetensors")
        with pytest.raises(ModelError, match=message):
            UrDmuScorer(tmp_path / "table.safetensors")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ModelError, match="no table of weights"):
        UrDmuScorer(tmp_path / "list.pth")


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (print, ("boom",))

    torch.save({"a": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        UrDmuScorer(tmp_path / "bomb.pth")
