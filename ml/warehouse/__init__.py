"""Build: dbt makes and tests every feature and label beside the old ones, then readers switch.

The current load of raw tables comes in; a published build, which all later steps read, goes out.

    build_steps  the steps, from the load to the published build
    dbt          dbt in a process of its own, over any load
    increment    the customers whom new facts touch, and whether an increment suffices
    merge        the previous build and the touched customers' rows as one new build
"""

from ml.warehouse.build_steps import build

__all__ = ["build"]
