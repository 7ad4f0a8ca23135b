"""What all tests share."""

import os

# Before numpy and torch come: on a busy machine several threads wait for each other ten times as long as they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")  # ANTs reads it once, whoever imports it first

import pytest
from hypothesis import settings

from factories import tiny_study

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("fixed")


@pytest.fixture(scope="session")
def tiny_patients(tmp_path_factory):
    """24 labelled patients (and 6 of a test cohort), whose class shows in t1c."""
    return tiny_study(tmp_path_factory.mktemp("tiny"))


def pytest_collection_modifyitems(items):
    """Begin with the studies, which take minutes: begun last, they would leave the other cores idle at the end."""
    items.sort(key=lambda item: item.get_closest_marker("study") is None)
