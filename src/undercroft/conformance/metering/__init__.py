"""The suite of the contract of samples."""
