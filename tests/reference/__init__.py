"""The features and labels once more, by brute force: slow, plain and independent of the dbt project."""
