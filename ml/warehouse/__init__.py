"""Build: dbt makes and tests every feature and label beside the old ones, then readers are switched over.

The current load of raw tables comes in; a published build, which everything later reads, goes out.

    run         the steps, from the load to the published build
    dbt         dbt as a program of its own, over any load
    increment   whom new facts have touched, and whether that is all there is to do
    merge       the build before and the touched customers' rows as one new build
"""

from ml.warehouse.build_steps import build

__all__ = ["build"]
