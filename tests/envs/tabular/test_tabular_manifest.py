"""Manifests: what ships is sound, what is broken is named."""

import copy
import json

import gymnasium as gym
import pytest

import credit_gym  # noqa: F401 - registers the ids
from credit_gym.envs.tabular.manifest import embedded_manifest, load_manifest, parse_manifest
from credit_gym.errors import ManifestError
from credit_gym.exact import oracle

LAMP = {
    "version": 1,
    "verifier_noise": 0.25,
    "tasks": [
        {
            "id": "lamp",
            "goal": "Light the lamp.",
            "start": "dark",
            "horizon": 5,
            "states": {
                "dark": {
                    "observation": "It is dark.",
                    "actions": {
                        "wait": {"outcomes": [{"to": "dark"}]},
                        "strike a match": {
                            "weight": 3,
                            "outcomes": [
                                {"to": "lit", "probability": 0.6, "signal": 1},
                                {"to": "dark", "probability": 0.4},
                            ],
                        },
                    },
                },
                "lit": {"observation": "The lamp burns.", "success": True},
            },
        }
    ],
}


@pytest.mark.parametrize("name", ["webshop", "alfworld"])
def test_embedded_manifests_have_tasks_that_are_neither_trivial_nor_impossible(name):
    model = embedded_manifest(name)
    assert model.num_tasks >= 6
    assert (oracle.ceiling(model) > 0.99).all()
    behaviour = oracle.behaviour_success(model)
    assert (behaviour > 0.2).all()
    assert (behaviour < 0.95).all()
    assert len(set(model.goals)) == model.num_tasks


def test_a_manifest_means_what_it_says(tmp_path):
    path = tmp_path / "lamp.json"
    path.write_text(json.dumps(LAMP), encoding="utf-8")
    model = load_manifest(path)
    assert model.probability[0, 1].tolist() == [0.6, 0.4]
    assert model.signal[0, 1].tolist() == [1.0, 0.0]
    assert model.behaviour[0, 0].tolist() == [0.25, 0.75]
    assert (model.verifier_noise, model.horizon.tolist()) == (0.25, [5])
    assert oracle.success_probability(model, model.behaviour[0]) == pytest.approx([1 - 0.55**5])
    _, info = gym.make("credit/WebShopManifest-v0", path=path).reset(seed=0)
    assert info["admissible_actions"] == ["wait", "strike a match"]
    assert info["expert_actions"] == ["strike a match"]


def broken(change):
    manifest = copy.deepcopy(LAMP)
    change(manifest["tasks"][0], manifest)
    return json.dumps(manifest)


def outcome(task):
    return task["states"]["dark"]["actions"]["wait"]["outcomes"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda task, _: task.pop("goal"), r"at \$\.tasks\[0\]: 'goal' is a required property"),
        (lambda task, _: task.update(start="cellar"), "task 'lamp': the start 'cellar' is not one of its states"),
        (
            lambda task, _: outcome(task).update(to="attic"),
            "state 'dark', action 'wait': it leads to 'attic', which is not one of the task's states",
        ),
        (lambda task, _: outcome(task).update(probability=0.5), "action 'wait': the probabilities .* sum to 0.5"),
        (lambda task, _: outcome(task).update(signal=2), r"outcomes\[0\]\.signal: 2 is not one of"),
        (lambda task, _: outcome(task).update(probability="1"), r"probability: '1' is not of type 'number'"),
        (lambda task, _: task["states"]["lit"].update(success=False), "no success state can be reached"),
        (
            lambda task, _: task["states"]["lit"].update(actions=task["states"]["dark"]["actions"]),
            "state 'lit': a success state ends the episode",
        ),
        (lambda task, _: task.update(horizon=0), r"horizon: 0 is less than the minimum"),
        (lambda _, manifest: manifest.update(version=2), r"\$\.version: 1 was expected"),
        (lambda task, manifest: manifest["tasks"].append(task), "the task id 'lamp' is used more than once"),
        (lambda _, manifest: manifest.update(author="x"), "Additional properties are not allowed"),
        (
            lambda task, _: task["states"].update(dim={"observation": "It is dark."}),
            "States that show the same text must offer the same actions",
        ),
    ],
)
def test_a_broken_manifest_is_refused_with_the_file_and_the_place(change, message):
    with pytest.raises(ManifestError, match=message) as caught:
        parse_manifest(broken(change), "mine.json")
    assert str(caught.value).startswith("mine.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON: .* at line 1"),
        ('{"version": 1, "version": 1}', "'version' appears twice"),
        ('{"version": NaN}', "NaN is not a number"),
        ('{"version": 1, "tasks": [], "verifier_noise": 1e999}', "inf is greater than the maximum"),
        ("[]", "is not of type 'object'"),
        ("[" * 100_000, "nested more than"),
        (json.dumps({"version": "x" * 10_000}), r"at \$"),
    ],
)
def test_text_that_is_no_manifest_is_refused_in_a_short_sentence(text, message):
    with pytest.raises(ManifestError, match=message) as caught:
        parse_manifest(text, "mine.json")
    assert len(str(caught.value)) < 400


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ManifestError, match=r"missing\.json cannot be read"):
        load_manifest(tmp_path / "missing.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match=r"binary\.json cannot be read"):
        load_manifest(tmp_path / "binary.json")
