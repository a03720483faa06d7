"""What is printed runs the very command, as cron, systemd and Airflow read it."""

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import UsageError
from ml.common.paths import ROOT
from ml.daily_run.schedule import schedule

ODD = "/data/50 % $off's {{x}}"


def words_of_run(home: Path) -> list[str]:
    """The command that every scheduler must end up with."""
    churn = str(Path(sys.executable).with_name("churn"))
    return [churn, "run", ODD, "--home", str(home), "--quiet"]


def test_a_crontab_line_has_its_five_fields_and_the_command(tmp_path: Path) -> None:
    (line,) = schedule("cron", at="4:30", source=ODD, home=tmp_path)["crontab"].splitlines()
    fields = line.split(" ", 5)
    assert fields[:5] == ["30", "4", "*", "*", "*"]
    assert re.search(r"(?<!\\)%", fields[5]) is None  # cron would end the command there
    shell = fields[5].replace("\\%", "%")
    assert shlex.split(shell) == ["cd", str(ROOT), "&&", *words_of_run(tmp_path)]


def test_the_units_are_valid_and_hold_the_command(tmp_path: Path) -> None:
    units = schedule("systemd", at="23:05", source=ODD, home=tmp_path)
    assert "OnCalendar=*-*-* 23:05:00\n" in units["tidemark-run.timer"]
    start = re.search(r"^ExecStart=(.*)$", units["tidemark-run.service"], re.MULTILINE)
    assert start is not None
    assert shlex.split(start[1].replace("%%", "%").replace("$$", "$")) == words_of_run(tmp_path)
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("NOT TESTED: there is no systemd-analyze")

    def verified(service: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "tidemark-run.service").write_text(service)
        (tmp_path / "tidemark-run.timer").write_text(units["tidemark-run.timer"])
        paths = [str(tmp_path / name) for name in units]
        command = [analyze, "verify", "--man=no", *paths]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    faultless = verified(units["tidemark-run.service"])
    assert (faultless.returncode, faultless.stderr) == (0, "")
    assert verified(units["tidemark-run.service"].replace("ExecStart", "ExecBegin")).stderr


def test_the_dag_has_one_task_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN_PROJECT", "/srv/{project}")
    text = schedule("airflow", at="00:00", source=ODD, home=tmp_path)["tidemark_run.py"]
    ast.parse(text)
    made: list[dict[str, Any]] = []

    class Dag:
        def __init__(self, **options: Any) -> None:
            made.append(options)

        def __enter__(self) -> "Dag":
            return self

        def __exit__(self, *_: object) -> None:
            pass

    modules = {"airflow": {"DAG": Dag}, "airflow.operators.bash": {"BashOperator": Dag}}
    for name in ("airflow", "airflow.operators", "airflow.operators.bash"):
        module = types.ModuleType(name)
        vars(module).update(modules.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
    exec(compile(text, "tidemark_run.py", "exec"), {})
    dag, task = made
    assert (dag["schedule"], dag["catchup"], dag["max_active_runs"]) == ("0 0 * * *", False, 1)
    assert task["cwd"] == str(ROOT)
    assert task["env"] == {"CHURN_PROJECT": "{% raw %}/srv/{project}{% endraw %}"}
    jinja2 = pytest.importorskip("jinja2")
    command = jinja2.Template(task["bash_command"]).render()
    assert shlex.split(command) == words_of_run(tmp_path)


@pytest.mark.parametrize("at", ["24:00", "4", "04:60", "04:5", "noon"])
def test_what_is_no_time_of_day_is_bad_usage(at: str, tmp_path: Path) -> None:
    asked = ["schedule", "--at", at, "--home", str(tmp_path)]
    ran = CliRunner().invoke(main, asked)
    assert ran.exit_code == 2
    assert ran.stderr == f"churn: --at {at} is no time of day: give it as HH:MM, such as 04:00\n"


def test_paths_that_no_line_can_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a line break or another control character"):
        schedule("cron", source="/data/a\nb", home=tmp_path)
    with pytest.raises(UsageError, match="choose cron, systemd, airflow"):
        schedule("at", home=tmp_path)


def test_the_command_prints_the_files(tmp_path: Path) -> None:
    words = ["schedule", "systemd", "--home", str(tmp_path)]
    text = CliRunner().invoke(main, words).output
    files = json.loads(CliRunner().invoke(main, [*words, "--json"]).output)["files"]
    assert list(files) == ["tidemark-run.service", "tidemark-run.timer"]
    assert all(content in f"{text}\n" for content in files.values())
    assert not any(tmp_path.iterdir())
