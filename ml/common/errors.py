"""Every error a user can meet, as one small tree; each has an exit status.

    TidemarkError                     1  the work failed
    |-- UsageError                    2  what was asked for makes no sense
    |   `-- ProblemError              2  problem.yml does not say a usable problem
    |-- NotReadyError                 1  an earlier step has not been run
    |   |-- DamagedError              1  what it wrote is not whole any more
    |   |-- OnlineUnavailableError    1  the server of the online store does not do its work
    |   `-- NotOnlineError            1  nothing is online yet, or not this
    |-- SourceError                   1  the raw data cannot be read, or breaks the contract as a whole
    |   `-- RefusedError              1  a dry run of an ingest found too many rejected rows
    |-- BuildError                    1  dbt failed, or a data test did
    |-- ModelError                    1  a model cannot be trained, read or used
    |-- StepError                     1  a step of the day's run failed
    |-- BusyError                     1  another process is writing to the same home
    |   |-- RegistryChangedError      1  ... or has just changed the registry
    |   `-- StateChangedError         1  ... or has just changed the online store
    `-- FeatureError                  1  features cannot be described, answered or put online
        |-- CatalogError              1  the build's models, YAML and tables do not agree
        |   `-- FormulaError          1  an on-demand formula cannot be used
        |-- RowsError                 2  the entity rows, or the requested features, make no sense
        |-- RegistryDamagedError      1  the registry file is not whole
        |-- OnlineDamagedError        1  the online store's file is not whole
        `-- RowsLostError             1  not every customer offline has come online

A message says what is wrong, where, and what to do next, in one sentence or two.
"""


class TidemarkError(Exception):
    """The work failed."""

    exit_status = 1


class UsageError(TidemarkError):
    """What was asked for makes no sense."""

    exit_status = 2


class ProblemError(UsageError):
    """``problem.yml`` does not state a usable problem."""


class NotReadyError(TidemarkError):
    """An earlier step has not been run yet."""


class DamagedError(NotReadyError):
    """What an earlier step wrote is not whole any more."""


class OnlineUnavailableError(NotReadyError):
    """The server of the online store does not answer, or refuses its work."""


# A FileNotFoundError too: where the store is a file, that is what a reader meets.
class NotOnlineError(NotReadyError, FileNotFoundError):
    """Nothing is online yet, or not the view or feature that is asked for."""

    def __str__(self) -> str:
        return str(self.args[0])


class SourceError(TidemarkError):
    """The raw data cannot be read, or breaks the contract as a whole."""


class RefusedError(SourceError):
    """A dry run of an ingest found too many rejected rows; ``result`` is what it found."""

    def __init__(self, message: str, result: dict[str, object]) -> None:
        super().__init__(message)
        self.result = result


class BuildError(TidemarkError):
    """dbt failed, or a data test did."""


class ModelError(TidemarkError):
    """A model cannot be trained, read or used."""


class StepError(TidemarkError):
    """A step of the day's run failed; ``step`` is its name."""

    def __init__(self, step: str, message: str) -> None:
        super().__init__(f"the step '{step}' failed: {message}")
        self.step = step


class BusyError(TidemarkError):
    """Another process is writing to the same home."""


class RegistryChangedError(BusyError, RuntimeError):
    """Another process changed Feast's registry while this one was working on it."""


class StateChangedError(BusyError):
    """The online store was changed while this process read or wrote it."""


# A ValueError too: that is what callers of Feast's API expect of a wrong argument.
class FeatureError(TidemarkError, ValueError):
    """Features cannot be described, answered or put online."""


class CatalogError(FeatureError):
    """The build's models, YAML and tables do not agree."""


class FormulaError(CatalogError):
    """An on-demand formula cannot be used."""


class RowsError(FeatureError):
    """The entity rows, or the requested features, make no sense."""

    exit_status = 2


class RegistryDamagedError(FeatureError):
    """The registry file is not one that Feast wrote, or not all of it."""


class OnlineDamagedError(FeatureError):
    """The online store's file is no database, or not all of it."""


class RowsLostError(FeatureError):
    """Not every customer offline has come online."""
