"""The modes of a thread (recording, tracing, within a transform), and how long each lasts."""
