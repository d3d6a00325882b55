"""A change of a known size at a known place is found there, with that size, and not before it."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from babelbits.probes.comparing import measure_weight_errors
from probed_models import LAYERS, Insides, changed, look, tiny_insides

THIRD = 2
"""Number of the block that is changed: its output is layer 3."""


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Insides:
    return tiny_insides(tmp_path_factory.mktemp("probed") / "llama")


def errors(first: Insides, second: Insides) -> np.ndarray:
    """Mean relative error by layer."""
    found = look(first, second)
    return np.mean([one.tokens["relative_error"].mean(axis=1) for one in found], axis=0)


def noisy_modules(first: Insides, second: Insides) -> dict[str, float]:
    return {
        row["module"]: row["snr_db"]
        for row in measure_weight_errors(first, second)
        if row["state"] == "changed"
    }


def test_the_same_model_is_at_distance_0_everywhere(baseline: Insides) -> None:
    found = look(baseline, changed(baseline, lambda _model: None))
    for one in found:
        assert one.heads is not None
        for name in ("relative_error", "cosine_distance"):
            assert np.all(one.tokens[name] == 0)
        assert np.all(one.heads["js"] == 0)
        assert np.all(one.tokens["lens_agrees"] == 1)
        assert np.isnan(one.tokens["attention_js"][0]).all()  # the embeddings attend to nothing


def test_the_baseline_again_computes_each_sequence_alone(baseline: Insides) -> None:
    found = look(baseline, baseline)
    assert max(one.tokens["relative_error"].max() for one in found) < 1e-5


def test_a_layer_scaled_by_a_known_factor_is_found_with_that_factor(baseline: Insides) -> None:
    """The stream after block 3 is 1.25 times as long: relative error 1/4, cosine distance 0.

    The final norm (RMSNorm) takes the factor out again where nothing but scaling follows.
    """

    def scale(model: Any) -> None:
        model.model.layers[THIRD].register_forward_hook(
            lambda _module, _inputs, output: 1.25 * output, prepend=True
        )

    found = look(baseline, changed(baseline, scale))
    for one in found:
        error, angle = one.tokens["relative_error"], one.tokens["cosine_distance"]
        assert np.all(error[: THIRD + 1] == 0)
        assert error[THIRD + 1] == pytest.approx(0.25, rel=1e-4)
        assert angle[THIRD + 1] == pytest.approx(0, abs=1e-9)
        assert np.all(error[THIRD + 2] > 1e-3)


def test_scaled_weights_have_the_signal_to_noise_of_the_factor(baseline: Insides) -> None:
    """1.1 W - W has a tenth of the amplitude of W: 20 dB, in that module alone."""

    def scale(model: Any) -> None:
        model.model.layers[THIRD].mlp.down_proj.weight.data.mul_(1.1)

    variant = changed(baseline, scale)
    assert noisy_modules(baseline, variant) == {
        f"model.layers.{THIRD}.mlp.down_proj": pytest.approx(20.0, abs=1e-3)
    }
    found = errors(baseline, variant)
    assert np.all(found[: THIRD + 1] == 0)
    assert np.all(found[THIRD + 1 :] > 1e-3)


def test_a_head_that_looks_everywhere_alike_is_found_in_its_layer_and_place(
    baseline: Insides,
) -> None:
    """Queries of 0 give every key the weight 1/n: entropy log n and variance 0, of head 1 alone."""
    head, width = 1, 16

    def blind(model: Any) -> None:
        query = model.model.layers[THIRD].self_attn.q_proj.weight
        query.data[head * width : (head + 1) * width] = 0

    found = look(baseline, changed(baseline, blind))
    for one in found:
        assert one.heads is not None
        js = one.heads["js"]
        assert np.all(js[:THIRD] == 0)
        assert js[THIRD].argmax() == head
        assert np.all(np.delete(js[THIRD], head) == 0)
        length = len(one.sequence.tokens)
        uniform = np.mean([np.log(n) for n in range(1, length + 1)])
        assert one.heads["entropy_variant"][THIRD, head] == pytest.approx(uniform, rel=1e-5)
        assert one.heads["variance_variant"][THIRD, head] == pytest.approx(0, abs=1e-6)


def test_a_head_whose_output_is_zeroed_is_found_in_its_module(baseline: Insides) -> None:
    """Its attention stays as it was; the stream differs from its block on."""

    def mute(model: Any) -> None:
        model.model.layers[THIRD].self_attn.o_proj.weight.data[:, 16:32] = 0

    variant = changed(baseline, mute)
    assert list(noisy_modules(baseline, variant)) == [f"model.layers.{THIRD}.self_attn.o_proj"]
    (one,) = look(baseline, variant, 12)
    assert one.heads is not None
    assert np.all(one.heads["js"][: THIRD + 1] == 0)
    assert np.all(one.heads["js"][THIRD + 1] > 0)
    assert np.all(one.tokens["relative_error"][: THIRD + 1] == 0)
    assert np.all(one.tokens["relative_error"][THIRD + 1] > 0)


def rotate(model: Any, *, first: int, last: int) -> None:
    """Turn the stream between blocks by a random rotation, and the weights in between against it.

    An orthogonal Q before block `first` and its transpose after block `last`; norms have weight 1,
    and an RMSNorm does not see rotations (QuaRot: Ashkboos et al. 2024, arXiv 2404.00456, 3.1).
    """
    generator = torch.Generator().manual_seed(0)
    width = model.config.hidden_size
    q, _ = torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))
    turn = q.float()
    for block in model.model.layers[first : last + 1]:
        attention, mlp = block.self_attn, block.mlp
        for module in (
            attention.q_proj,
            attention.k_proj,
            attention.v_proj,
            mlp.gate_proj,
            mlp.up_proj,
        ):
            module.weight.data = module.weight.data @ turn
        for module in (attention.o_proj, mlp.down_proj):
            module.weight.data = turn.T @ module.weight.data
    model.model.layers[first - 1].register_forward_hook(
        lambda _m, _i, output: output @ turn, prepend=True
    )
    model.model.layers[last].register_forward_hook(
        lambda _m, _i, output: output @ turn.T, prepend=True
    )


def test_a_rotation_between_layers_is_seen_there_and_leaves_the_logits(baseline: Insides) -> None:
    """Layers 2 and 3 are turned (blocks 2 and 3 compute in the turned basis), no others."""
    variant = changed(baseline, lambda model: rotate(model, first=2, last=3))
    (one,) = look(baseline, variant, 12)
    error = one.tokens["relative_error"].mean(axis=1)
    assert np.all(error[:2] == 0)
    assert np.all(error[2:4] > 1)  # vectors in 64 dimensions, turned at random: about sqrt 2
    assert error[LAYERS] == pytest.approx(0, abs=1e-4)
    assert one.heads is not None
    assert one.heads["js"].max() < 0.01
    tokens = torch.tensor([one.sequence.tokens])
    with torch.no_grad():
        before, after = (m.model(input_ids=tokens).logits for m in (baseline, variant))
    assert torch.allclose(before, after, atol=1e-3)
    assert np.all(one.tokens["lens_agrees"][LAYERS] == 1)


def test_a_long_text_keeps_its_states_and_loses_its_attention_only(baseline: Insides) -> None:
    from babelbits.probes.comparing import compare
    from probed_models import sequences

    other = changed(baseline, lambda model: model.model.layers[0].mlp.up_proj.weight.data.mul_(1.1))
    short, long = compare(baseline, other, sequences(8, 20), token_budget=64, attention_limit=10)
    assert short.heads is not None
    assert long.heads is None
    assert np.isnan(long.tokens["attention_js"]).all()
    assert np.isfinite(long.tokens["relative_error"]).all()
    whole = compare(baseline, other, sequences(8, 20), token_budget=64, attention_limit=64)[1]
    assert long.tokens["relative_error"] == pytest.approx(
        whole.tokens["relative_error"], rel=1e-3, abs=1e-6
    )


def test_the_logit_lens_of_the_last_layer_is_the_models_own_choice(baseline: Insides) -> None:
    tokens = [3, 9, 27, 81, 243]
    states = baseline.look([tokens], attention=False).states[-1][0]
    with torch.no_grad():
        logits = baseline.model(input_ids=torch.tensor([tokens])).logits[0]
    found = baseline.lens(states, layer=LAYERS)
    assert found is not None
    assert found.tolist() == logits.argmax(-1).tolist()
