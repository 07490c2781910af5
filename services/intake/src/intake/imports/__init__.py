"""The file door: files of leads, kept as they come in and worked through in the background."""
