"""The folders of models, in the home and in MLflow's store: rows of their files, then the hashes of them.

What a model learned stays as it is. Its manifest names the hash of each file, so it is written anew where a
file was, and with it what names the manifest by its own hash: the evidence, and the record in MLflow.
"""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file, sha256
from ml.erasure import parquet_rows, sqlite_rows
from ml.erasure.rows_to_erase import RowsToErase
from ml.erasure.swapped_files import Lost, rewrite_shared
from ml.evaluate.evidence_file import FOLDER as EVIDENCE
from ml.home.layout import Home
from ml.model.model_files import MANIFEST, manifest_hash

RECORD = "mlflow.db"
TAGS = ("tags", "model_version_tags")


def model_folders(home: Home) -> list[Path]:
    """Every folder with a model's manifest."""
    artifacts = sorted((home.root / "mlflow").rglob(MANIFEST))
    return [file.parent for file in (*sorted(home.models.glob(f"*/{MANIFEST}")), *artifacts)]


def erase_from_models(home: Home, rows: RowsToErase, *, is_resumed: bool) -> Lost:
    """Erase a person's rows from the files of every model; return how many went, by file.

    Parameters
    ----------
    is_resumed : bool
        Whether a run before was killed: it may have swapped a file whose hash it did not come to write.
    """
    lost: Lost = {}
    cards: dict[str, str] = {}
    for folder in model_folders(home):
        gone = rewrite_shared(
            sorted(folder.glob("*.parquet")), lambda old, fresh: parquet_rows.erase_rows(old, fresh, rows)
        )
        lost |= gone
        if gone or is_resumed:
            cards |= write_hashes(folder)
    rename_cards(home, {before: now for before, now in cards.items() if before != now})
    return lost


def write_hashes(folder: Path) -> dict[str, str]:
    """Make a manifest name the files as they are; return its own hash before and now.

    Only files that erasing rewrites are taken as they are: any other that differs stays a fault.
    """
    file = folder / MANIFEST
    manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    before = str(manifest["card"])
    for name in manifest["files"]:
        if name.endswith(".parquet") and (folder / name).exists():
            manifest["files"][name] = sha256(folder / name)
    manifest["card"] = manifest_hash(manifest)
    if manifest["card"] != before:
        saved_at = file.stat().st_mtime_ns
        text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
        replace_file(file, text.encode(), is_locked=True)
        os.utime(file, ns=(saved_at, saved_at))  # when training ended
    return {before: str(manifest["card"])}


def rename_cards(home: Home, cards: dict[str, str]) -> None:
    """Name the manifests by their new hashes in the evidence and in MLflow's record."""
    for file in sorted((home.root / EVIDENCE).glob("*.json")) if cards else ():
        evidence = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(evidence, dict) and evidence.get("model_card") in cards:
            evidence["model_card"] = cards[evidence["model_card"]]
            replace_file(file, (json.dumps(evidence, allow_nan=False) + "\n").encode(), is_locked=True)
    record = home.root / RECORD
    if not cards or not record.exists():
        return
    with closing(sqlite3.connect(record, timeout=sqlite_rows.BUSY_SECONDS)) as connection, connection:
        for table in TAGS:
            connection.executemany(
                f"update {table} set value = ? where value = ?",
                [(now, before) for before, now in cards.items()],
            )
