"""A network taken as it is: what training has to beat."""
