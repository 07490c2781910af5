"""The service desk: promises kept after the signature."""
