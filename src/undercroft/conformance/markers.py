"""Marks of the suites' tests.

`clause("R6")`       the clause of the contract that the test shows
`promise("C9")`      the reliability promise that it proves
`needs("name")`      it asks for a capability. Where the driver declares a gap, the test must end in `Unsupported`, and counts as
                     a gap; a gap that works all the same fails
`assumes("name")`    it rests on a capability that no single call asks for (atomicity, say). Where the driver declares a gap, the
                     test does not run, and counts as a gap
`essential`          it runs on second stores, too: other servers of a driver that runs the whole suite elsewhere
"""

from __future__ import annotations

import pytest

clause = pytest.mark.clause
promise = pytest.mark.promise
needs = pytest.mark.needs
assumes = pytest.mark.assumes
essential = pytest.mark.essential
