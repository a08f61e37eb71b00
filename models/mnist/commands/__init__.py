"""What the commands of `python -m models.mnist` do: train.py runs a training; examine.py looks at
what was learned (evaluate, predict, show). progress.py and terminal.py print for them."""
