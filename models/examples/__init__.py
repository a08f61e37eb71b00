"""A loss each, in a page: what it is for, on data that is made here, taught by the Trainer.

curve.py         mse: a smooth function from noisy points
outliers.py      huber: a line that some wild points do not move, as they move mse's
margin.py        hinge: two moons, told apart by a border with a margin
questions.py     binary_cross_entropy: several yes-or-no questions about one point

Each runs as `python -m models.examples.curve`. plot.py draws for them.
"""
