"""A first mapping of a user's exports to the raw tables, as a folder of SQL files to be edited.

Exports are profiled (``exports``, ``readings``), their columns are matched with those the project declares by
name and content (``names``, ``matching``), and each raw table is written as one select in which every guess
has its reason (``sql_text``).
"""

from ml.mapping.map_exports import map_exports

__all__ = ["map_exports"]
