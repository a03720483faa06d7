"""Point-in-time retrieval: entity rows -> history -> as-of plan -> join -> retrieve."""
