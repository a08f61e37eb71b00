"""What Value and Tensor share: methods and operators, NumPy's protocols, compiled rules."""
