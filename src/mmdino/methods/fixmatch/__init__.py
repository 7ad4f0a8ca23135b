"""A CNN that also learns from unlabelled patients: what it is sure of in a weak view, it must say of a strong one."""
