"""What the debugger checks gradients by: difference quotients of one rule, or of a whole graph.

The engine's autograd/checking/differences.py has the quotients; `best_slope` chooses their step,
and `check` says in words what they lead to expect.
"""
