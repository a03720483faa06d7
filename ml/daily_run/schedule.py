"""What runs ``churn run`` once a day: a crontab line, a systemd service and timer, or an Airflow DAG."""

import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ml.common.errors import UsageError
from ml.common.paths import PACKAGED, ROOT
from ml.home.layout import Home

CRON, SYSTEMD, AIRFLOW = "cron", "systemd", "airflow"
TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
UNIT = "tidemark-run"
PASSED_ON = ("CHURN_PROJECT",)
SERVICE = """\
[Unit]
Description=Tidemark: the day's facts in, scores out
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={folder}
{environment}ExecStart={command}
"""
TIMER = """\
[Unit]
Description=Tidemark once a day

[Timer]
OnCalendar=*-*-* {hour:02d}:{minute:02d}:00
Persistent=true

[Install]
WantedBy=timers.target
"""
DAG = '''\
"""Tidemark's day: take in, build, monitor, train if due, score, log."""

from datetime import datetime, timezone

from airflow import DAG

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # before Airflow 3
    from airflow.operators.bash import BashOperator

with DAG(
    dag_id="tidemark_run",
    schedule="{minute} {hour} * * *",
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,
) as dag:
    BashOperator(
        task_id="churn_run",
        bash_command={command!r},
        cwd={folder!r},
        env={environment!r},
        append_env=True,
    )
'''


@dataclass(frozen=True)
class DailyCommand:
    """What is run every day.

    Parameters
    ----------
    words : tuple of str
        The command, unquoted.
    folder : str
        Where it is run: that of the project.
    environment : dict of str to str
        What is set for it.
    hour, minute : int
    """

    words: tuple[str, ...]
    folder: str
    environment: dict[str, str]
    hour: int
    minute: int


def schedule(
    kind: str = CRON,
    *,
    at: str = "04:00",
    source: str | Path | None = None,
    home: str | Path | Home | None = None,
    problem: str | Path | None = None,
) -> dict[str, str]:
    """The files that run ``churn run`` every day.

    Parameters
    ----------
    kind : str
        ``cron``, ``systemd`` or ``airflow``.
    at : str
        Time of day, HH:MM: of the machine for cron and systemd, UTC for Airflow.
    source : path or str, optional
        The raw tables, as for ``run``.
    problem : path, optional

    Returns
    -------
    dict
        Text by file name: ``crontab``, ``tidemark-run.service`` and ``.timer``, or ``tidemark_run.py``.

    Raises
    ------
    UsageError
        ``at`` is no time of day, or a path has a line break.
    """
    if kind not in TEXTS:
        raise UsageError(f"{kind} is no scheduler that can be written for: choose {', '.join(TEXTS)}")
    return TEXTS[kind](daily_command(at, source, Home.at(home), problem))


def daily_command(at: str, source: str | Path | None, home: Home, problem: str | Path | None) -> DailyCommand:
    """The command with absolute paths, for it is run from elsewhere."""
    time = TIME.fullmatch(at)
    if time is None:
        raise UsageError(f"--at {at} is no time of day: give it as HH:MM, such as 04:00")
    home.check_name()
    churn = Path(sys.executable).with_name("churn")
    words = [str(churn) if churn.is_file() else "churn", "run"]
    words += [absolute(source)] if source is not None else []
    words += ["--home", str(home.root)]
    words += ["--problem", absolute(problem)] if problem is not None else []
    folder = Path.cwd() if ROOT == PACKAGED else ROOT
    environment = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    if any(ord(sign) < ord(" ") for text in (*words, str(folder), *environment.values()) for sign in text):
        raise UsageError("a path has a line break or another control character: rename it")
    return DailyCommand((*words, "--quiet"), str(folder), environment, int(time[1]), int(time[2]))


def absolute(source: str | Path) -> str:
    """A path from the root; a URL as it is."""
    return str(source) if "://" in str(source) else str(Path(source).expanduser().resolve())


def crontab(daily: DailyCommand) -> dict[str, str]:
    """A line of a crontab; there a percent sign would end the command."""
    environment = [f"{name}={shlex.quote(value)}" for name, value in daily.environment.items()]
    command = " ".join([*environment, shlex.join(daily.words)])
    line = f"cd {shlex.quote(daily.folder)} && {command}".replace("%", "\\%")
    return {"crontab": f"{daily.minute} {daily.hour} * * * {line}\n"}


def systemd(daily: DailyCommand) -> dict[str, str]:
    """A service that runs once, and the timer that starts it."""
    environment = "".join(
        f"Environment={unit_word(f'{name}={value}')}\n" for name, value in daily.environment.items()
    )
    first, *others = daily.words
    command = " ".join([unit_word(first), *(unit_word(word).replace("$", "$$") for word in others)])
    folder = daily.folder.replace("%", "%%")
    service = SERVICE.format(folder=folder, environment=environment, command=command)
    timer = TIMER.format(hour=daily.hour, minute=daily.minute)
    return {f"{UNIT}.service": service, f"{UNIT}.timer": timer}


def unit_word(word: str) -> str:
    """A word as a unit file quotes it; a percent sign would begin a specifier."""
    word = word.replace("%", "%%")
    if re.fullmatch(r"[\w@%+=:,./-]+", word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def airflow(daily: DailyCommand) -> dict[str, str]:
    """A DAG with one task, which Jinja leaves as it is."""
    environment = {name: as_it_is(value) for name, value in daily.environment.items()}
    fields = {"command": as_it_is(shlex.join(daily.words)), "folder": as_it_is(daily.folder)}
    text = DAG.format(hour=daily.hour, minute=daily.minute, environment=environment, **fields)
    return {"tidemark_run.py": text}


def as_it_is(text: str) -> str:
    """A text in which Jinja replaces nothing."""
    return f"{{% raw %}}{text}{{% endraw %}}" if "{" in text else text


TEXTS: dict[str, Callable[[DailyCommand], dict[str, str]]] = {
    CRON: crontab,
    SYSTEMD: systemd,
    AIRFLOW: airflow,
}
