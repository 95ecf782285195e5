"""`python -m holmesvau` is the `holmesvau` command."""

from holmesvau.cli import main

main()
