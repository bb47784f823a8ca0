"""The HTTP service. `undercroft.api.app:create_app` makes the WSGI application; `undercroft serve` runs it."""
