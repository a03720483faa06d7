"""What can go wrong between a build and its features, as one small tree.

FeatureError
|-- CatalogError      the build's models, YAML and tables do not agree
|   `-- FormulaError  an on-demand formula cannot be used
|-- RowsError         the entity rows, or the asked features, make no sense
|-- RegistryDamagedError
|                     the registry file is not whole
|-- OnlineDamagedError
|                     the online store's file is not whole
`-- RowsLostError     not every customer offline has come online
"""


class FeatureError(ValueError):
    """Features cannot be described or answered."""


class CatalogError(FeatureError):
    """The build's models, YAML and tables do not agree."""


class FormulaError(CatalogError):
    """An on-demand formula cannot be used."""


class RowsError(FeatureError):
    """The entity rows, or the asked features, make no sense."""


class RegistryDamagedError(FeatureError):
    """The registry file is not one that Feast wrote, or not all of it."""


class OnlineDamagedError(FeatureError):
    """The online store's file is no database, or not all of it."""


class RowsLostError(FeatureError):
    """Not every customer offline has come online."""
