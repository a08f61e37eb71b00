"""What looks for mistakes: differences that gradients are held against, gradcheck, anomalies.

Nothing here is needed to compute a value or a gradient.
"""
