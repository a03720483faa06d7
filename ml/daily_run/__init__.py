"""The day in one command: ``from ml.daily_run import run``.

    source_files  whether a source has anything new
    run_record    what a run did, in ``run.json``
    steps         the steps in their order, each with what is still to do
    one_run       one run under one lock: what is missing is done, and nothing where nothing is new
    schedule      a crontab line, systemd units or an Airflow DAG that run it

What is there is looked at, not remembered: a run that was killed anywhere is finished by the next.
"""

from ml.daily_run.one_run import run

__all__ = ["run"]
