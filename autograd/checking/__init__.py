"""Checks of a computation: its gradients against differences (gradcheck), and which operation made
the first NaN or infinity (detect_anomaly)."""
