"""A Spark session of this process, for single queries over small tables."""

from types import TracebackType
from typing import Self

import pyarrow as pa

from ml.common.errors import BuildError

# What changes a value is as in dbt_project/profiles.yml, and ANSI mode as dbt's adapter leaves it; one task
# is enough for small tables.
SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "OFF",
}


class SparkSql:
    """Runs Spark's SQL over Arrow tables; the session ends with the context."""

    def __enter__(self) -> Self:
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[1]").appName("churn compare-engines")
        for name, value in SETTINGS.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.session.stop()

    def rows(self, sql: str, inputs: dict[str, pa.Table]) -> pa.Table:
        """The rows of a query over ``inputs`` by name.

        Raises
        ------
        BuildError
            Spark cannot run it.
        """
        from pyspark.errors import PySparkException

        try:
            for name, table in inputs.items():
                self.session.createDataFrame(table).createOrReplaceTempView(name)
            return self.session.sql(sql).toArrow()
        except PySparkException as error:
            raise BuildError(f"Spark cannot run the SQL: {str(error).splitlines()[0]}") from error
