"""What the commands of `python -m models.mnist` do: train.py runs a training, with callbacks.py;
examine.py looks at what was learned (evaluate, predict, show); export.py writes it for other
programs. terminal.py prints pictures."""
