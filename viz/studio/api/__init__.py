"""The routes of the studio, a file for each kind of thing: app.py takes the `router` of each."""
