"""A day of 1,052 real virtual machines, rated, stored and summed: the product's main job on real input."""
