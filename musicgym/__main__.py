"""`python -m musicgym` is the command line."""

from musicgym.commands import main

raise SystemExit(main())
