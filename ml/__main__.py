"""``python -m ml`` is ``churn``."""

from ml.cli import main

if __name__ == "__main__":
    main()
