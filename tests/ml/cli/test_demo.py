"""``churn demo``: every step, each shown as the command that makes it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.cli.demo import STEPS

pytestmark = pytest.mark.subjects("ml/cli", "ml/demos")


def test_every_step_is_called_in_order_with_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    real = type(main).main

    def spied(self: object, args: list[str] | None = None, *rest: object, **options: object) -> object:
        if args and options.get("standalone_mode") is False and args[0] != "demo":
            called.append(list(args))
            return None
        return real(self, args, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(type(main), "main", spied)
    ran = CliRunner().invoke(main, ["demo", "shop", "--customers", "50", "--home", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    first = ["ingest", "--demo", "shop", "--customers", "50", "--home", str(tmp_path)]
    assert called == [first, *([*words, "--home", str(tmp_path)] for words in STEPS)]
    assert "$ churn ingest --demo shop --customers 50\n$ churn build\n" in ran.stderr
