"""From a program to loops, each stage a pure function: simplify, plan, arrange, lower."""
