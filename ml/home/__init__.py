"""The home folder: its layout, atomic publishing, leases on builds, manifests, the test-set log."""
