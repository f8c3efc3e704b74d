"""TMFCORE_PEERS=required: a comparison that was skipped is one that failed."""

import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("TMFCORE_PEERS") != "required" or reporter is None:
        return
    skipped = [r.nodeid for r in reporter.stats.get("skipped", []) if "peers" in getattr(r, "keywords", ()) or "peers" in r.nodeid]
    if skipped:
        reporter.write_line(f"TMFCORE_PEERS=required, but skipped: {', '.join(skipped)}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
