"""x"""


def retention(): ...
