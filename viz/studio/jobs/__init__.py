"""Trainings in the background, and the folders that runs leave.

mark.py is what says of a run's folder that a job made it; child.py is the process that trains,
process.py watches over it, jobs.py starts, ends and lists jobs. runs.py reads the folders of runs,
a terminal's too, events.py tells how they go on. Importing this imports nothing: the child needs
no server.
"""

__all__: list[str] = []
