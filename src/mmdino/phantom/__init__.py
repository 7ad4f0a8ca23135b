"""Phantom patients: synthetic multi-site gliomas in real anatomy, with signs drawn given the subtype.

What is made here is read back by the same readers as real cohorts. The truth (signs, masks, transforms) lies beside it
for tests and the report only.
"""
