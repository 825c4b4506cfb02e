"""What each topology computed, side by side at the end of the test run."""

import pytest

_ROWS = pytest.StashKey[list[str]]()
_COLUMNS = ("score", "sum of maps", "loss", "vicinity AUROC")


@pytest.fixture(scope="session")
def show(request):
    """Adds a run's figures to the table."""
    rows = request.config.stash.setdefault(_ROWS, [])

    def add(topology, result):
        last = (result["scores"][-1], result["maps"].sum(), result["loss"][-1])
        figures = (*last, result["vicinity_auroc"][-1])
        rows.append(f"{topology:<26}" + "".join(f"{figure:>16.8g}" for figure in figures))

    return add


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash.get(_ROWS, [])
    if rows:
        terminalreporter.section("one run on other devices (processes x devices of each)")
        terminalreporter.write_line(" " * 26 + "".join(f"{name:>16}" for name in _COLUMNS))
        for row in rows:
            terminalreporter.write_line(row)
