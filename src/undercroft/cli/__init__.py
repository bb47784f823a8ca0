"""The `undercroft` command: one module per group of commands. What a command needs is imported when it runs."""
