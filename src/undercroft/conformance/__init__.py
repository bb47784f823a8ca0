"""The contracts' test suites, installed: `pytest --pyargs undercroft.conformance --store KIND=URL`.

A driver runs them without test code of its own. An engine that did not run is printed as NOT RUN, never as passed. Each kind has a
package here, with the same names for the same things; the modules beside this one serve the suites of all kinds.
"""
