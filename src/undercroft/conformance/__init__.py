"""The contracts' test suites, installed: `pytest --pyargs undercroft.conformance --store rating=URL`.

A driver runs them without test code of its own. An engine that did not run is printed as NOT RUN, never as passed.
"""
