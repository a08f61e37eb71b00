"""From a program to loops by four pure functions: simplify, plan, arrange, lower."""
