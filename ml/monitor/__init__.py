"""Monitoring: what was scored is watched, recomputed, and explained."""
