"""The command line: its options in `parser`, a function for each command in `commands`."""
