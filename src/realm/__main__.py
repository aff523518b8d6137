"""`python -m realm` is the `realm` command."""

from realm.cli import main

main()
