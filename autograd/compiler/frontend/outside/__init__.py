"""What a step reads from outside itself: found while it is traced, compared before every call."""
