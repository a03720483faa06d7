"""Files that training did not write: changed, swapped, left unnamed or made to do harm; all are refused."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import skops.io

from ml.common.durable_files import sha256
from ml.common.errors import ModelError
from ml.model.model_files import manifest_hash, read_model, write_model
from tests.ml.conftest import Workshop

BOOSTER_OF = {"xgboost": "booster.json", "lightgbm": "booster.txt"}
KINDS = (
    "prior",
    "recency_rule",
    "repeat_purchase",
    "logistic_regression",
    "decision_tree",
    "random_forest",
    "hist_gradient_boosting",
    *BOOSTER_OF,
)


def files_of(kind: str) -> list[str]:
    return ["model.json", "pipeline.skops", *([BOOSTER_OF[kind]] if kind in BOOSTER_OF else [])]


EVERY_FILE = [(kind, name) for kind in KINDS for name in files_of(kind)]


def reseal(folder: Path, **changed: Any) -> None:
    """Make all hashes right again, as somebody would who knows how they are made."""
    manifest = json.loads((folder / "model.json").read_text())
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"]}
    manifest |= changed
    (folder / "model.json").write_text(json.dumps(manifest | {"card": manifest_hash(manifest)}))


@pytest.mark.parametrize(("kind", "name"), EVERY_FILE)
def test_one_bit_of_any_file_of_any_kind(workshop: Workshop, tmp_path: Path, kind: str, name: str) -> None:
    write_model(workshop.champion(kind), tmp_path)
    read_model(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    place = content.index(b'"threshold": 0.') + 15 if name == "model.json" else len(content) // 2
    content[place] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name} is not the file that training wrote"):
        read_model(tmp_path)


@pytest.mark.parametrize("name", files_of("lightgbm"))
def test_a_file_that_is_gone(workshop: Workshop, tmp_path: Path, name: str) -> None:
    write_model(workshop.champion("lightgbm"), tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is not the file that training wrote"):
        read_model(tmp_path)


@pytest.mark.parametrize("kind", BOOSTER_OF)
def test_the_file_of_another_model(workshop: Workshop, tmp_path: Path, kind: str) -> None:
    """Whole and well formed, but of another training."""
    for number, each in ((1, kind), (2, "prior")):
        (tmp_path / str(number)).mkdir()
        write_model(workshop.champion(each), tmp_path / str(number))
    (tmp_path / "2" / "pipeline.skops").replace(tmp_path / "1" / "pipeline.skops")
    with pytest.raises(ModelError, match=r"pipeline\.skops is not the file"):
        read_model(tmp_path / "1")


class Harm:
    """What a pickle could do."""

    def __init__(self, witness: Path):
        self.witness = witness

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.witness),)


def pickled(path: Path, witness: Path) -> None:
    path.write_bytes(pickle.dumps(Harm(witness)))


def no_schema(path: Path, witness: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Harm(witness)))


def another_type(path: Path, witness: Path) -> None:
    skops.io.dump({"prepare": 1}, path)


def text(path: Path, witness: Path) -> None:
    path.write_text("nonsense")


@pytest.mark.parametrize("make", [pickled, no_schema, another_type, text])
def test_a_foreign_pipeline_with_right_hashes_is_refused_and_never_run(
    workshop: Workshop, tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    folder, witness = tmp_path / "model", tmp_path / "witness"
    folder.mkdir()
    write_model(workshop.champion("prior"), folder)
    make(folder / "pipeline.skops", witness)
    reseal(folder)
    with pytest.raises(ModelError, match=r"pipeline\.skops is not the file that training wrote"):
        read_model(folder)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("kind", "loader", "content"),
    [
        ("system", "FunctionNode", {"module_path": "os", "function": "system"}),
        ("Popen", "ObjectNode", {"__class__": "dict"}),
    ],
)
def test_a_pipeline_that_names_a_function_of_the_system_is_refused(
    workshop: Workshop, tmp_path: Path, kind: str, loader: str, content: dict[str, Any]
) -> None:
    write_model(workshop.champion("prior"), tmp_path)
    module = {"system": "os", "Popen": "subprocess"}[kind]
    schema = {"__class__": kind, "__module__": module, "__loader__": loader, "content": content}
    with zipfile.ZipFile(tmp_path / "pipeline.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps(schema | {"protocol": 2, "_skops_version": "0.16.0"}))
    reseal(tmp_path)
    with pytest.raises(ModelError, match=r"pipeline\.skops"):
        read_model(tmp_path)


@pytest.mark.parametrize("kind", BOOSTER_OF)
@pytest.mark.parametrize("content", ["nonsense", "", "{}", "tree\nversion=v4\nnum_class=1\n"])
def test_a_foreign_booster_with_right_hashes(
    workshop: Workshop, tmp_path: Path, kind: str, content: str
) -> None:
    write_model(workshop.champion(kind), tmp_path)
    (tmp_path / BOOSTER_OF[kind]).write_text(content)
    reseal(tmp_path)
    with pytest.raises(ModelError, match=f"{BOOSTER_OF[kind]} is not the file that training wrote"):
        read_model(tmp_path)


@pytest.mark.parametrize("kind", ["prior", "xgboost"])
def test_a_card_that_leaves_a_file_unnamed_lets_it_in_unseen_and_is_refused(
    workshop: Workshop, tmp_path: Path, kind: str
) -> None:
    write_model(workshop.champion(kind), tmp_path)
    manifest = json.loads((tmp_path / "model.json").read_text())
    named = {name: value for name, value in manifest["files"].items() if name != files_of(kind)[-1]}
    reseal(tmp_path, files=named)
    with pytest.raises(ModelError, match=r"model\.json is not the file that training wrote"):
        read_model(tmp_path)
