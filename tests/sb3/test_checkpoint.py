"""Checkpoints: the newest, the best, and damaged ones."""

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from qkd_gym.errors import InvalidInput  # noqa: E402
from qkd_gym.sb3.checkpoint import (  # noqa: E402
    latest_checkpoint,
    load_best_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from qkd_gym.sb3.recipe import Recipe  # noqa: E402


@pytest.fixture(scope="module")
def model():
    recipe = Recipe(pointer=True, total_timesteps=64, num_envs=2)
    env = recipe.environment("qkd_gym/LinkActivation-v0", {"n_sites": 6, "bank_size": 1})
    return recipe.model(env, 0, None)


@pytest.fixture
def folder(tmp_path, model):
    """Three checkpoints with their number as the value's bias; the second is the best."""
    for number, score in enumerate((0.25, 0.75, 0.5)):
        model.num_timesteps = 10 * number
        torch.nn.init.constant_(bias(model), number)
        save_checkpoint(tmp_path, model, {"score": score})
    return tmp_path


def bias(model):
    return model.policy.mlp_extractor.value[-1].bias


def test_the_newest_is_restored_with_its_steps(folder, model):
    model.num_timesteps = 0
    torch.nn.init.constant_(bias(model), 9.0)
    facts = load_checkpoint(latest_checkpoint(folder), model)
    assert facts["score"] == 0.5
    assert (model.num_timesteps, bias(model).item()) == (20, 2.0)


def test_the_best_is_loaded(folder, model):
    curve, best = load_best_checkpoint(folder, model.policy, "score")
    assert curve == [(0, 0.25), (10, 0.75), (20, 0.5)]
    assert (best, bias(model).item()) == (1, 1.0)


def test_what_a_killed_process_left_of_another_checkpoint_goes_with_the_next(folder, model):
    left = folder / ".0000000025"
    left.mkdir()
    (left / "policy.safetensors").write_bytes(b"half")
    model.num_timesteps = 30
    save_checkpoint(folder, model, {"score": 0.5})
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"{number:010d}" for number in (0, 10, 20, 30)]


@pytest.mark.parametrize(
    ("text", "words"), [("{", "not valid JSON"), ('{"format": 2}', "has format 2")]
)
def test_damaged_checkpoints_are_refused(folder, model, text, words):
    (latest_checkpoint(folder) / "checkpoint.json").write_text(text)
    with pytest.raises(InvalidInput, match=words):
        load_checkpoint(latest_checkpoint(folder), model)


def test_there_may_be_no_checkpoint(tmp_path):
    assert latest_checkpoint(tmp_path / "absent") is None


OPTIMIZER = "optimizer.safetensors"


@pytest.fixture
def stepped(tmp_path, model):
    """A checkpoint whose optimizer has made a step."""
    for parameter in model.policy.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None
    model.policy.optimizer.step()
    model.num_timesteps = 30
    return save_checkpoint(tmp_path, model, {"score": 0.5})


def test_the_optimizer_is_restored(stepped, model):
    before = model.policy.optimizer.state_dict()["state"]
    number, kept = next(iter(before.items()))
    expected = kept["exp_avg"].clone()
    kept["exp_avg"].add_(1.0)
    load_checkpoint(stepped, model)
    after = model.policy.optimizer.state_dict()["state"]
    assert after.keys() == before.keys()
    torch.testing.assert_close(after[number]["exp_avg"], expected)


def refused(folder, model, words):
    with pytest.raises(InvalidInput, match=words) as error:
        load_checkpoint(folder, model)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) <= 300


@pytest.mark.parametrize("name", [OPTIMIZER, "policy.safetensors"])
def test_damaged_weights_are_refused_in_one_sentence(stepped, model, name):
    file = stepped / name
    whole = file.read_bytes()
    for content in (b"", whole[:4], whole[:100], whole[:-1], whole + b"0", b"\x80\x04pickle"):
        file.write_bytes(content)
        refused(stepped, model, "is no safetensors file")
    # A header that claims to be of 2^60 bytes, and tensors larger than memory.
    file.write_bytes(b"\xff" * 7 + b"\x0f" + whole[8:])
    refused(stepped, model, "is no safetensors file")
    huge = b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    file.write_bytes(len(huge).to_bytes(8, "little") + huge)
    refused(stepped, model, "is no safetensors file")
    file.write_bytes(whole + bytes(2**21))
    refused(stepped, model, "is larger than")
    file.unlink()
    refused(stepped, model, "is not there")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.update({"0.exp_avg": t["0.exp_avg"].flatten()[:-1]}), "0.exp_avg is float32"),
        (lambda t: t.update({"0.exp_avg": t["0.exp_avg"].double()}), "0.exp_avg is float64"),
        (lambda t: t.update({"0.exp_avg": t["0.exp_avg"] * torch.nan}), "not finite"),
        (lambda t: t.update({"0.exp_avg_sq": t["0.exp_avg_sq"] - 1.0}), "negative"),
        (lambda t: t.update({"0.other": torch.zeros(1)}), "it has the tensor '0.other'"),
        (lambda t: t.update({"9999.step": torch.zeros(())}), "it has the tensor '9999.step'"),
        (lambda t: t.update({"nothing": torch.zeros(())}), "it has the tensor 'nothing'"),
        (lambda t: t.pop("0.step"), "it lacks the tensor '0.step'"),
    ],
)
def test_the_state_of_another_optimizer_is_refused(stepped, model, change, words):
    from safetensors.torch import load_file, save_file

    tensors = {name: tensor.clone() for name, tensor in load_file(stepped / OPTIMIZER).items()}
    assert "0.step" in tensors
    change(tensors)
    save_file({name: t.contiguous() for name, t in tensors.items()}, stepped / OPTIMIZER)
    refused(stepped, model, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON"),
        ("[]", "must be an object"),
        ('"x"', "must be an object"),
        ('{"format": 1}', "lacks the field 'steps'"),
        ('{"format": 1, "steps": -1}', "steps is -1"),
        ('{"format": 1, "steps": "3"}', "steps is '3'"),
        ('{"format": 1, "steps": 1.5}', "steps is 1.5"),
        ('{"format": 1, "steps": 1' + 400 * "0" + "}", "steps is 1000"),
        ('{"format": true, "steps": 3}', "format is True"),
        ('{"format": 1, "steps": 3, "steps": 4}', "twice"),
    ],
)
def test_facts_of_another_kind_are_refused(stepped, model, text, words):
    (stepped / "checkpoint.json").write_text(text)
    refused(stepped, model, words)


@pytest.mark.parametrize("score", [None, "0.5", True, [], {}])
def test_the_best_needs_a_number_of_every_checkpoint(folder, model, score):
    facts = {"format": 1, "steps": 40, "score": score}
    (latest_checkpoint(folder) / "checkpoint.json").write_text(json.dumps(facts))
    with pytest.raises(InvalidInput, match="score of checkpoint .* must be one number"):
        load_best_checkpoint(folder, model.policy, "score")


def test_a_folder_of_checkpoints_that_has_vanished_is_not_made_again(tmp_path, model):
    with pytest.raises(InvalidInput, match="has vanished"):
        save_checkpoint(tmp_path / "gone", model, {})
    assert not (tmp_path / "gone").exists()
