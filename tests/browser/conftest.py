"""One browser and one report for all browser tests."""

import pytest

from browsing import started
from mmdino.reporting.report import build_report
from results_factory import write_flags, write_scans, write_study


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    driver = started(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    hostile = "sub-<script>alert(1)</script>&\"x'" + "ו" * 300
    study, results = write_study(tmp_path_factory.mktemp("browser"), seeds=(0, 1), subject=hostile)
    write_scans(results)
    write_flags(results)
    return build_report(study, results).as_uri()
