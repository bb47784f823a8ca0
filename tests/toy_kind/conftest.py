"""The suite of the kind runs where the kind is installed: in the tests of this folder."""

collect_ignore = ["src"]
