"""The layouts of data sets: a file for each, and the registry."""
