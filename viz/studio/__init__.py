"""The studio: a server of datasets, weights, trainings and WebAssembly modules, and its page.

`python -m viz studio` starts it (command.py, server.py); README.md lists the routes and says how to
run it behind a proxy or in a container. Read in this order: app.py, guard.py, replies.py, then one
file of api/. The server answers HTTP, reads arrays and writes files; it never computes with the
engine: that is done in processes of their own, so that an answer never waits for a training.
"""
