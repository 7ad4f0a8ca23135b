"""Chance: no look at the patient."""
