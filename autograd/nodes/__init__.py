"""What Value and Tensor share: methods, operators, NumPy's protocols, compiled rules, walks."""
