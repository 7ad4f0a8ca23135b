"""A cohort's manifest, read from a tree as the rule does it."""

from mmdino.cohorts import build_manifest
from mmdino.config import Cohort, Labels


def manifest(name, root, **rules):
    cohort = Cohort(stage="stripped", path="raw", adapter=name)
    return build_manifest(name, cohort, root, Labels(**rules))


def usable(found):
    return found[found["excluded"] == ""].set_index("subject")
