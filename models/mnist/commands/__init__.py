"""What the commands of `python -m models.mnist` do: train.py runs a training; examine.py looks at
what was learned (evaluate, predict, show); export.py writes it for other programs. progress.py and
terminal.py print for them."""
