"""The modes a thread is in: recording, tracing, within a transform; and how long they hold."""
