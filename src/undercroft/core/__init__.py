"""What every kind of data stands on: errors, capabilities, URLs, the registry, the clock. Imports nothing of ours."""
